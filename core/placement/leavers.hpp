// SPDX-License-Identifier: Apache-2.0
// Leavers: tasks that may be stopped, kept so that which of them goes first is found at the cost of
// what has changed since that was asked last. It answers what choose_to_stop (scale_in.hpp) would.
//
// Tasks of a node that hold the same tie, whatever the strategies: they lie in one pile, the first
// to go on top, and only the top is compared with others. Piles on nodes with the same values of
// all attributes that are spread over are one cell, ordered by what the other strategies say; what
// those attributes say is the cell's, and asked when cells are compared. Nodes that changed are
// looked at again when the next question comes. Cost: a task that comes or goes O(log n); a
// question the nodes that changed since the last one, and for each task chosen the cells; the first
// question, and one with other strategies than the last, all piles; one with Random all tasks.
// Threads: one at a time with whatever changes the books.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

class Leavers {
 public:
  // `forget` is told of each slot of the tally that nobody tracks any more. The books outlive it.
  Leavers(Books& books, std::function<void(Tally::Slot)> forget);
  ~Leavers();
  Leavers(const Leavers&) = delete;
  Leavers& operator=(const Leavers&) = delete;

  // False: there is no such task, or it is retired.
  bool add(const Leaver& leaver);
  void remove(const Leaver& leaver);
  [[nodiscard]] std::vector<Leaver> choose(const Compiled& compiled,
                                           const LeaversQuestion& question);

 private:
  using Key = std::array<std::int64_t, kMaxStrategies>;
  using CellName = std::array<std::uint32_t, kMaxStrategies>;  // value numbers, by strategy
  struct FirstToGo {
    bool operator()(const Leaver& a, const Leaver& b) const {
      return a.rank != b.rank ? a.rank > b.rank : a.id > b.id;
    }
  };
  // What tasks of one pile have in common.
  struct Kind {
    Tally::Set group = 0;
    Tally::Set service = Tally::kNoSet;
    std::int64_t cpu = 0;
    std::int64_t memory_mib = 0;
    bool operator==(const Kind&) const = default;
  };
  struct Pile;
  struct Entry {
    Key key{};  // 0 for strategies that spread over an attribute
    Leaver top{};
    const Pile* pile = nullptr;
  };
  struct Before {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.key != b.key ? a.key > b.key : FirstToGo()(a.top, b.top);
    }
  };
  struct Pile {
    std::uint32_t node = 0;
    Kind kind{};
    std::set<Leaver, FirstToGo> tasks{};
    bool is_in = false;  // a cell, under this name and entry
    CellName cell{};
    Entry entry{};
  };
  // Of tasks that are chosen in the question at hand, on one node.
  struct Gone {
    std::int64_t tasks = 0;
    std::int64_t cpu = 0;
    std::int64_t memory_mib = 0;
  };
  struct Taken {
    Leaver leaver{};
    std::uint32_t node = 0;
    Kind kind{};
  };

  [[nodiscard]] bool is_spread(std::size_t s) const {
    return strategies_[s].kind == Strategy::Kind::SpreadAttribute;
  }
  void put(std::uint32_t node, const Kind& kind, const Leaver& leaver);
  void prepare(const Compiled& compiled);
  void let_go();
  void catch_up();
  void look_at(std::uint32_t node);
  void take_out(Pile& pile);
  void put_in(Pile& pile);
  [[nodiscard]] bool is_of_the_set(const Kind& kind) const {
    return (counted_kind_ == Tally::Kind::Group ? kind.group : kind.service) == counted_;
  }
  [[nodiscard]] Key key_of(const Pile& pile) const;
  [[nodiscard]] const Pile* first_pile() const;
  [[nodiscard]] std::vector<Leaver> choose_from_all(const Compiled& compiled,
                                                    const LeaversQuestion& question) const;

  Books& books_;
  std::function<void(Tally::Slot)> forget_;
  std::map<std::uint32_t, std::vector<std::unique_ptr<Pile>>> piles_;  // by node
  std::map<CellName, std::set<Entry, Before>> cells_;                  // none is empty
  std::set<std::uint32_t> stale_;                                      // nodes to look at again
  std::uint64_t seen_ = ChangeLog::kNothingSeen;

  // What the order is by.
  bool prepared_ = false;
  std::vector<Strategy> strategies_;
  std::vector<Tally::Slot> slots_;  // tracked for strategies that spread over an attribute
  Tally::Kind counted_kind_ = Tally::Kind::Group;
  Tally::Set counted_ = 0;  // shared

  // Of the question at hand.
  std::map<std::uint32_t, Gone> gone_;                                      // by node
  std::array<std::map<std::uint32_t, std::int64_t>, kMaxStrategies> less_;  // tasks, by value
};

}  // namespace berth::placement
