// SPDX-License-Identifier: Apache-2.0
// Decider: which node a task gets. Reads the books, reserves nothing.
//
// The search in the indexes has a budget of steps that is worth about one scan of all nodes; beyond
// it the scan decides. So no decision costs more than about two scans, whatever the nodes look
// like. Threads: one at a time: it keeps indexes and scratch space between decisions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/kernels.hpp"
#include "core/placement/node_index.hpp"
#include "core/placement/scan.hpp"
#include "core/placement/scored.hpp"

namespace berth::placement {

struct DeciderOptions {  // as EngineOptions
  std::size_t counts_cap_bytes = 0;
  std::uint32_t scan_up_to_nodes = 0;
};

class Decider {
 public:
  Decider(const Kernels& kernels, Books& books, DeciderOptions options, ScoredOptions scored)
      : books_(books),
        indexes_(books),
        scan_(kernels),
        scored_(books, scan_, std::move(scored)),
        options_(options) {}

  // The node, or nothing where none passes every check.
  [[nodiscard]] std::optional<std::uint32_t> decide(Compiled& compiled, std::uint64_t dice);

  // A request came, before its first decision, or went.
  void came(const Compiled& compiled) {
    for (std::size_t p = 0; p < compiled.plan_count; ++p)
      indexes_.steps().came(compiled.floors(p).cpu);
  }
  void went(const Compiled& compiled) {
    for (std::size_t p = 0; p < compiled.plan_count; ++p)
      indexes_.steps().went(compiled.floors(p).cpu);
  }
  // The tally's slot is free now.
  void forget(Tally::Slot slot) { indexes_.forget(slot); }
  // Strategies beyond ECS's.
  [[nodiscard]] Scored& scored() { return scored_; }
  [[nodiscard]] std::size_t index_bytes() const { return indexes_.bytes(); }
  struct Statistics {
    std::uint64_t decisions = 0;
    std::uint64_t scans = 0;     // of these, the indexes did not decide
    std::uint64_t one_pass = 0;  // of the scans, on few nodes
  };
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // Parts of an index among which a decision is made: values that tie.
  using Parts = std::span<const std::uint8_t>;
  enum class Outcome : std::uint8_t { Found, None, Exhausted };
  // What the strategies before the last one left over.
  struct Field {
    Parting parting{};
    Parts parts{};
    std::int32_t only_count = -1;  // tasks of the set that a node must run; -1: any
  };

  [[nodiscard]] bool passes_all(Compiled& compiled) const;
  [[nodiscard]] std::optional<std::uint32_t> probe(Compiled& compiled, std::uint64_t dice);
  [[nodiscard]] std::optional<std::uint32_t> next_in_a_row(Compiled& compiled, std::uint32_t start);
  [[nodiscard]] Outcome search(Compiled& compiled, std::uint64_t dice);
  [[nodiscard]] Outcome search_field(Compiled& compiled, Field field, std::uint64_t dice);
  [[nodiscard]] Outcome first_fit(Compiled& compiled, const Field& field, std::uint32_t start);
  [[nodiscard]] Outcome least_count(Compiled& compiled, Field field, std::int32_t& count);
  [[nodiscard]] Outcome least_kept_count(Compiled& compiled, const Field& field,
                                         std::int32_t& count, std::int32_t end);
  [[nodiscard]] Outcome binpack(Compiled& compiled, const Field& field, std::uint64_t dice);
  [[nodiscard]] Outcome among_ties(Compiled& compiled, const Field& field, std::int32_t key,
                                   std::uint64_t dice);
  [[nodiscard]] FitQuestion fit_question(const Compiled& compiled, std::size_t plan,
                                         const FitIndex& index, std::uint8_t part);
  [[nodiscard]] bool passes(Compiled& compiled, std::size_t plan, const Field& field,
                            std::uint32_t node, std::uint32_t node_class);
  // A node and the label that an OrderIndex has of it.
  struct Labelled {
    std::uint32_t node = 0;
    std::uint8_t label = 0;
  };
  [[nodiscard]] bool passes(Compiled& compiled, std::size_t plan, const Field& field,
                            Labelled which);
  [[nodiscard]] bool spend(std::uint32_t steps);
  // Keeps counts of the request's set by node. False: they would go beyond the cap.
  bool keep_counts(const Compiled& compiled);

  Books& books_;
  NodeIndexes indexes_;
  Scan scan_;
  Scored scored_;
  DeciderOptions options_;
  Statistics statistics_{};
  // Of the decision at hand.
  std::uint32_t found_ = kNone;
  std::int64_t budget_ = 0;
  std::vector<std::uint32_t> ties_;
};

}  // namespace berth::placement
