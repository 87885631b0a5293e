// SPDX-License-Identifier: Apache-2.0
// TaskList: the tasks of one node, eight bytes each, in one piece of memory.
//
// Order means nothing. A task is known by a serial number that its node never gives again (until
// 2^32 tasks have come and gone). Threads: one at a time.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace berth::placement {

struct TaskRecord {
  std::uint32_t serial = 0;
  std::uint32_t kind : 31 = 0;    // of TaskKinds
  std::uint32_t counted : 1 = 1;  // not retired
};
static_assert(sizeof(TaskRecord) == 8);

class TaskList {
 public:
  TaskList() = default;
  TaskList(TaskList&& other) noexcept
      : records_(std::exchange(other.records_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  TaskList& operator=(TaskList&& other) noexcept {
    std::swap(records_, other.records_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  TaskList(const TaskList&) = delete;
  TaskList& operator=(const TaskList&) = delete;
  ~TaskList() { std::free(records_); }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const TaskRecord* begin() const { return records_; }
  [[nodiscard]] const TaskRecord* end() const { return records_ + size_; }
  [[nodiscard]] TaskRecord* find(std::uint32_t serial) {
    for (std::uint32_t i = 0; i < size_; ++i) {
      if (records_[i].serial == serial) return records_ + i;
    }
    return nullptr;
  }
  void add(const TaskRecord& record) {
    if (size_ == capacity_) resize(capacity_ < 4 ? 4 : capacity_ + capacity_ / 2);
    records_[size_++] = record;
  }
  // `record` is one of these.
  void remove(TaskRecord* record) {
    *record = records_[--size_];
    if (capacity_ > 16 && size_ < capacity_ / 4) resize(capacity_ / 2);
  }
  [[nodiscard]] std::size_t bytes() const { return std::size_t{capacity_} * sizeof(TaskRecord); }

 private:
  void resize(std::uint32_t capacity) {
    void* moved = std::realloc(records_, std::size_t{capacity} * sizeof(TaskRecord));
    if (moved == nullptr) throw std::bad_alloc();
    records_ = static_cast<TaskRecord*>(moved);
    capacity_ = capacity;
  }

  TaskRecord* records_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace berth::placement
