// SPDX-License-Identifier: Apache-2.0
// Scored: decisions by strategies beyond ECS's, by a table of scores that is kept up to date.
//
// A score is a function of the request and of what one node is and holds, as long as the largest
// nodes of the cluster and the expected tasks stay the same; where they change, the rows that
// depend on them are forgotten. Costs: README.md. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/dirty_nodes.hpp"
#include "core/placement/scan.hpp"
#include "core/placement/score_table.hpp"
#include "core/placement/scorer.hpp"

namespace berth::placement {

struct ScoredOptions {
  std::size_t cache_bytes = ScoreTable::kDefaultCapBytes;
  std::string device_type;
};

class Scored {
 public:
  // Both live longer.
  Scored(Books& books, Scan& scan, ScoredOptions options);
  ~Scored();
  Scored(const Scored&) = delete;
  Scored& operator=(const Scored&) = delete;

  // The node, or nothing where none passes every check. Requires: the route is Scored;
  // refresh_verdicts; a node.
  [[nodiscard]] std::optional<std::uint32_t> decide(Compiled& compiled, const NodeColumns& columns,
                                                    std::uint64_t dice);
  // The request goes.
  void drop(const Compiled& compiled);

  [[nodiscard]] Scorer& scorer() { return scorer_; }
  [[nodiscard]] std::size_t cache_bytes() const { return table_.bytes(); }
  [[nodiscard]] std::size_t index_bytes() const {
    return table_.log_bytes() + dirty_.bytes() + scorer_.bytes();
  }

 private:
  void catch_up();
  // The number of the strategy's row, without scores that no longer hold.
  [[nodiscard]] std::uint32_t row_of(Compiled& compiled, std::size_t strategy);
  [[nodiscard]] ScoreTable::ScoreOf score_of(Compiled& compiled, std::size_t strategy) const;
  void keep_best(std::vector<std::uint32_t>& nodes, Compiled& compiled, std::size_t strategy);

  Books& books_;
  Scan& scan_;
  Scorer scorer_;
  ScoreTable table_;
  DirtyNodes dirty_;
  bool watches_ = false;
  std::uint32_t next_row_ = 1;
  std::vector<std::int32_t> scores_;  // of the decision at hand
};

}  // namespace berth::placement
