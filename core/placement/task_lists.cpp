// SPDX-License-Identifier: Apache-2.0
#include "core/placement/task_lists.hpp"

#include <algorithm>
#include <stdexcept>

namespace berth::placement {

void TaskLists::move(List& list, std::uint32_t length) {
  if (length >= kLengths || std::size_t{lines_of(length)} * kPerLine >= std::size_t{1} << 26)
    throw std::length_error("too many tasks on one node");
  List moved{.size = list.size, .length = length & 63u};
  if (length > 0) {
    moved.at = take_lines(length);
    std::copy_n(records(list), list.size, records(moved));
  }
  if (list.length > 0) free_[list.length].push_back(list.at);
  list = moved;
}

std::uint32_t TaskLists::take_lines(std::uint32_t length) {
  auto& free = free_[length];
  if (!free.empty()) {
    const std::uint32_t at = free.back();
    free.pop_back();
    return at;
  }
  const std::uint32_t lines = lines_of(length);
  if (lines_.size() - next_ < lines) make_lines(lines);
  const std::uint32_t at = next_;
  next_ += lines;
  return at;
}

// What was left of the last ones goes to lists that are short enough.
void TaskLists::make_lines(std::uint32_t lines) {
  for (std::uint32_t length = kLengths - 1; length > 0; --length) {
    for (; lines_.size() - next_ >= lines_of(length); next_ += lines_of(length))
      free_[length].push_back(next_);
  }
  lines_.grow(lines);
}

std::size_t TaskLists::task_bytes() const {
  std::size_t out = lines_.bytes();
  for (const auto& free : free_) out += free.capacity() * sizeof(std::uint32_t);
  return out;
}

}  // namespace berth::placement
