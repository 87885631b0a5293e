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
  if (end_ - next_ < lines) make_lines(lines);
  const std::uint32_t at = next_;
  next_ += lines;
  return at;
}

// What was left of the last ones goes to lists that are short enough.
void TaskLists::make_lines(std::uint32_t lines) {
  for (std::uint32_t length = kLengths - 1; length > 0; --length) {
    for (; end_ - next_ >= lines_of(length); next_ += lines_of(length))
      free_[length].push_back(next_);
  }
  // A share of what there is, so that there are few allocations, and large ones.
  const std::size_t pieces = std::max(
      {(std::size_t{lines} + kPieceLines - 1) / kPieceLines, pieces_.size() / 8, std::size_t{1}});
  memory_.push_back(std::make_unique_for_overwrite<Line[]>(pieces * kPieceLines));
  next_ = static_cast<std::uint32_t>(pieces_.size()) * kPieceLines;
  for (std::size_t i = 0; i < pieces; ++i)
    pieces_.push_back(memory_.back().get() + i * kPieceLines);
  end_ = static_cast<std::uint32_t>(pieces_.size()) * kPieceLines;
}

std::size_t TaskLists::task_bytes() const {
  std::size_t out = pieces_.size() * (kPieceLines * sizeof(Line) + sizeof(Line*)) +
                    memory_.capacity() * sizeof(memory_[0]);
  for (const auto& free : free_) out += free.capacity() * sizeof(std::uint32_t);
  return out;
}

}  // namespace berth::placement
