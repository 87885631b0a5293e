// SPDX-License-Identifier: Apache-2.0
// NodeColumns, FitIndex and OrderIndex: the columns of and the trees over all nodes, kept up to
// date from the books when asked.
//
// An index may be parted by the values of one tracked attribute: then there is a tree for each
// value, so that a search within one value never meets nodes of another. Only nodes that take tasks
// are in it. An index that nobody asks while very many nodes change forgets them, and is built anew
// when it is asked again. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/dirty_nodes.hpp"
#include "core/placement/fit_tree.hpp"
#include "core/placement/order_tree.hpp"
#include "core/placement/pending_nodes.hpp"

namespace berth::placement {

// How nodes are parted: by the values of the attribute in this slot of the tally, or not at all.
using Parting = std::optional<Tally::Slot>;
// More values than this are not worth a tree each.
inline constexpr std::uint32_t kMostParts = 16;

// What nodes offer and which classes they are of, as columns to `padded()`; from the rows when
// asked.
class NodeColumns {
 public:
  explicit NodeColumns(Books& books)
      : books_(books),
        dirty_(fetch, this),
        cpu_(LargeAllocator<std::int32_t>(books.advise_memory())),
        memory_(cpu_.get_allocator()),
        class_(cpu_.get_allocator()) {
    books_.watch(&dirty_);
  }
  ~NodeColumns() { books_.unwatch(&dirty_); }
  NodeColumns(const NodeColumns&) = delete;
  NodeColumns& operator=(const NodeColumns&) = delete;

  void refresh();
  [[nodiscard]] std::size_t size() const { return cpu_.size(); }
  // Valid until the next refresh. lanes::kNothing where a node takes no tasks.
  [[nodiscard]] const std::int32_t* cpu() const { return cpu_.data(); }
  [[nodiscard]] const std::int32_t* memory() const { return memory_.data(); }
  [[nodiscard]] const std::int32_t* node_class() const { return class_.data(); }
  [[nodiscard]] const std::int32_t* of(ColumnId key) const {
    return key == kCpuColumn ? cpu() : memory();
  }
  // As codes (narrow.hpp). Null where nodes are more than kMostNarrow.
  [[nodiscard]] const std::uint16_t* narrow_cpu() const {
    return narrow_cpu_.empty() ? nullptr : narrow_cpu_.data();
  }
  [[nodiscard]] const std::uint16_t* narrow_memory() const { return narrow_memory_.data(); }
  [[nodiscard]] std::size_t bytes() const;

 private:
  static constexpr std::size_t kMostNarrow = 4096;

  static void fetch(const void* whose, std::uint32_t node);
  void make_room();
  void refresh_node(std::uint32_t node);

  Books& books_;
  DirtyNodes dirty_;
  LargeVector<std::int32_t> cpu_;
  LargeVector<std::int32_t> memory_;
  LargeVector<std::int32_t> class_;
  std::vector<std::uint16_t> narrow_cpu_;
  std::vector<std::uint16_t> narrow_memory_;
};

class FitIndex {
 public:
  // `columns` is up to date whenever this is refreshed.
  FitIndex(Books& books, const NodeColumns& columns, const FitSteps& steps, Parting parting);
  ~FitIndex();
  FitIndex(const FitIndex&) = delete;
  FitIndex& operator=(const FitIndex&) = delete;

  [[nodiscard]] Parting parting() const { return parting_; }
  void refresh();
  // One tree for each value by number, or one for all. Valid until the next refresh. Of nodes that
  // are `pending` a search may find some, never wrongly, and miss others.
  [[nodiscard]] std::size_t parts() const { return trees_.size(); }
  [[nodiscard]] const FitTree& tree(std::size_t part) const { return trees_[part]; }
  [[nodiscard]] const PendingNodes& pending() const { return pending_; }
  // Of each node its tree, up to `padded()`; null where there is one for all.
  [[nodiscard]] const std::uint8_t* part_of() const { return parting_ ? part_of_.data() : nullptr; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  static void fetch(const void* whose, std::uint32_t node);
  void make_room();
  void look_at(std::uint32_t node);
  [[nodiscard]] std::uint32_t members(std::uint32_t block, std::uint8_t part) const;
  void refresh_node(std::uint32_t node);
  void note(std::uint32_t node);
  void take_in(std::uint64_t positions);
  void build();

  Books& books_;
  const NodeColumns& columns_;
  const FitSteps& steps_;
  std::uint64_t steps_version_ = 0;
  Parting parting_;
  DirtyNodes dirty_;
  std::deque<FitTree> trees_;
  // Of nodes, when they were last looked at, up to `padded()`.
  std::vector<FitCode> codes_;
  std::vector<std::uint8_t> part_of_;  // parted ones only
  PendingNodes pending_;
};

class OrderIndex {
 public:
  // The label of a node in the trees is its class; of classes from this number on, this.
  static constexpr std::uint8_t kLaterClass = UINT8_MAX;

  // `key` is kCpuColumn or kMemoryColumn; the other one is the other.
  OrderIndex(Books& books, ColumnId key, Parting parting);
  ~OrderIndex();
  OrderIndex(const OrderIndex&) = delete;
  OrderIndex& operator=(const OrderIndex&) = delete;

  [[nodiscard]] ColumnId key() const { return key_; }
  [[nodiscard]] Parting parting() const { return parting_; }
  void refresh();
  [[nodiscard]] std::size_t parts() const { return trees_.size(); }
  // What it says of nodes that are `pending` does not count.
  [[nodiscard]] const OrderTree& tree(std::size_t part) const { return trees_[part]; }
  [[nodiscard]] const PendingNodes& pending() const { return pending_; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  static void fetch(const void* whose, std::uint32_t node);
  [[nodiscard]] PendingNodes::Entry look_at(std::uint32_t node) const;
  [[nodiscard]] OrderEntry entry_of(const PendingNodes::Entry& pending) const;
  void make_room();
  void take_in(std::uint64_t positions);
  void build();

  Books& books_;
  ColumnId key_;
  Parting parting_;
  DirtyNodes dirty_;
  std::unique_ptr<OrderPool> pool_;
  std::deque<OrderTree> trees_;
  PendingNodes pending_;
};

// The indexes that decisions asked for so far.
class NodeIndexes {
 public:
  explicit NodeIndexes(Books& books) : books_(books), columns_(books) {}

  // Up to date. Valid until the next call.
  [[nodiscard]] const NodeColumns& columns() {
    columns_.refresh();
    return columns_;
  }
  [[nodiscard]] const FitIndex& fit(Parting parting);
  [[nodiscard]] const OrderIndex& order(ColumnId key, Parting parting);
  // What requests ask for, before their first search.
  [[nodiscard]] FitSteps& steps() { return steps_; }
  // The attribute's slot may come to mean another attribute.
  void forget(Tally::Slot slot);
  [[nodiscard]] std::size_t bytes() const;

 private:
  Books& books_;
  NodeColumns columns_;
  FitSteps steps_;
  std::vector<std::unique_ptr<FitIndex>> fits_;
  std::vector<std::unique_ptr<OrderIndex>> orders_;
};

}  // namespace berth::placement
