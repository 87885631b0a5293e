// SPDX-License-Identifier: Apache-2.0
// ScoreTable: the best node for each of many kinds of task, by a score that only the node's state
// and the kind decide.
//
// A kind's scores are kept beside a tree of the best of each 16, and brought up to date for the
// nodes that changed since the kind was last asked for. So the answer is that of asking every node,
// as long as each change of a node is told. Kinds not asked for longest are forgotten where memory
// would pass the cap; a kind that alone is above it is answered by asking every node.
//
// Costs: a decision looks at the nodes changed since the kind's last, and at 16 entries a level.
// Memory: about 4.3 bytes a node and kind, under the cap. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace berth::placement {

class ScoreTable {
 public:
  // The node does not take the task.
  static constexpr std::int32_t kNever = INT32_MIN;
  static constexpr std::size_t kDefaultCapBytes = std::size_t{64} << 20;
  using ScoreOf = std::function<std::int32_t(std::uint32_t node)>;

  explicit ScoreTable(std::size_t nodes, std::size_t cap_bytes = kDefaultCapBytes);

  // There are so many nodes now: all kinds are forgotten.
  void resize(std::size_t nodes);
  // The node's scores may be others now. Requires: below the number of nodes.
  void changed(std::uint32_t node);
  void forget(std::uint32_t kind) { rows_.erase(kind); }

  struct Best {
    std::int32_t score = kNever;
    std::uint32_t node = 0;
    bool operator==(const Best&) const = default;
  };
  // The first node with the highest score; nothing where all say kNever. `score_of` must be the
  // same function of the node's state each time for one kind.
  [[nodiscard]] std::optional<Best> best(std::uint32_t kind, const ScoreOf& score_of);

  // All nodes with the highest score, ascending.
  [[nodiscard]] std::vector<std::uint32_t> best_nodes(std::uint32_t kind, const ScoreOf& score_of);
  // Every node's score; null where one kind is above the cap. Valid until the next question.
  [[nodiscard]] const std::int32_t* scores(std::uint32_t kind, const ScoreOf& score_of);

  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  [[nodiscard]] std::size_t kinds() const { return rows_.size(); }
  // Of the kinds' scores: what the cap bounds.
  [[nodiscard]] std::size_t bytes() const;
  // Of the rest.
  [[nodiscard]] std::size_t log_bytes() const;

 private:
  static constexpr std::size_t kWidth = 16;
  // Levels one after the other, each padded to whole blocks by kNever: the nodes' scores, the best
  // of each 16 of these, and so on up to one block.
  struct Row {
    std::vector<std::int32_t> scores;
    std::uint64_t seen = 0;   // changes
    std::uint64_t asked = 0;  // the later, the higher
  };
  Row* row_of(std::uint32_t kind);
  void build(Row& row, const ScoreOf& score_of) const;
  void refresh(Row& row, const ScoreOf& score_of) const;
  void set(Row& row, std::uint32_t node, std::int32_t score) const;
  [[nodiscard]] std::optional<Best> best_of(const Row& row) const;

  std::size_t nodes_ = 0;
  std::size_t cap_bytes_;
  std::vector<std::size_t> level_begins_;  // in Row::scores; the last is where the last level ends
  std::map<std::uint32_t, Row> rows_;
  std::uint64_t asked_ = 0;
  // The last changes, oldest first, from number begin_ on; and the number of each node's last one.
  std::vector<std::uint32_t> log_;
  std::uint64_t begin_ = 1;
  std::vector<std::uint64_t> last_change_;
};

}  // namespace berth::placement
