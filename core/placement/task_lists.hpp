// SPDX-License-Identifier: Apache-2.0
// TaskLists: the tasks of each node, eight bytes each, in whole lines of the cache.
//
// Order means nothing. A task is known by a serial number that its node never gives again (until
// 2^32 tasks have come and gone). Where the lists stand is kept close together for all nodes, so
// that a list is fetched beside the rest that is known of its node and not after it. Memory: eight
// bytes a node, and lines of eight tasks. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/placement/lanes.hpp"
#include "core/placement/large_memory.hpp"

namespace berth::placement {

struct TaskRecord {
  std::uint32_t serial = 0;
  std::uint32_t kind : 31 = 0;    // of TaskKinds
  std::uint32_t counted : 1 = 1;  // not retired
};
static_assert(sizeof(TaskRecord) == 8);

class TaskLists {
 public:
  explicit TaskLists(AdviseMemory advise) : lists_(LargeAllocator<List>(advise)), lines_(advise) {}

  // `nodes` only grows; new ones have no tasks.
  void resize(std::size_t nodes) { lists_.resize(nodes); }
  // Valid until tasks come or go.
  [[nodiscard]] std::span<const TaskRecord> of(std::uint32_t node) const {
    const List& list = lists_[node];
    return {records(list), list.size};
  }
  // Null where the node has no such task. Valid until tasks come or go.
  [[nodiscard]] TaskRecord* find(std::uint32_t node, std::uint32_t serial) {
    const List& list = lists_[node];
    TaskRecord* const all = records(list);
    for (std::uint32_t i = kPerLine; i < list.size; i += kPerLine) lanes::prefetch(all + i);
    for (std::uint32_t i = 0; i < list.size; ++i) {
      if (all[i].serial == serial) return all + i;
    }
    return nullptr;
  }
  // Throws std::length_error where one node has 2^26 tasks.
  void add(std::uint32_t node, const TaskRecord& record) {
    List& list = lists_[node];
    if (list.size == lines_of(list.length) * kPerLine) move(list, list.length + 1u);
    records(list)[list.size] = record;
    ++list.size;
  }
  // `record` is one of the node's.
  void remove(std::uint32_t node, TaskRecord* record) {
    List& list = lists_[node];
    --list.size;
    *record = records(list)[list.size];
    if (list.length > 2 && list.size < lines_of(list.length) * kPerLine / 4)
      move(list, list.length - 2u);
  }
  void clear(std::uint32_t node) {
    lists_[node].size = 0;
    move(lists_[node], 0);
  }
  // Of the records, and of where they stand.
  [[nodiscard]] std::size_t task_bytes() const;
  [[nodiscard]] std::size_t node_bytes() const { return lists_.capacity() * sizeof(List); }

 private:
  static constexpr std::uint32_t kPerLine = 8;
  static constexpr std::uint32_t kLengths = 48;

  struct List {
    std::uint32_t at = 0;  // its first line
    std::uint32_t size : 26 = 0;
    std::uint32_t length : 6 = 0;  // see lines_of
  };
  static_assert(sizeof(List) == 8);
  struct alignas(64) Line {
    TaskRecord records[kPerLine];
  };

  // Lengths in lines are 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, ...
  [[nodiscard]] static constexpr std::uint32_t lines_of(std::uint32_t length) {
    return length < 4 ? length : (4u + length % 2u * 2u) << ((length - 4u) / 2u);
  }
  [[nodiscard]] TaskRecord* records(const List& list) const {
    if (list.length == 0) return nullptr;
    return lines_[list.at].records;
  }
  void move(List& list, std::uint32_t length);
  [[nodiscard]] std::uint32_t take_lines(std::uint32_t length);
  void make_lines(std::uint32_t lines);

  LargeVector<List> lists_;  // by node
  Stack<Line> lines_;
  std::uint32_t next_ = 0;  // lines from here on were never used, and lie in one piece
  std::array<std::vector<std::uint32_t>, kLengths> free_{};  // by length
};

}  // namespace berth::placement
