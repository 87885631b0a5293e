// SPDX-License-Identifier: Apache-2.0
// ChangeLog: numbers of things that changed, for readers that catch up when they are next asked.
//
// A reader keeps the count that it has seen. Threads: one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace berth::placement {

class ChangeLog {
 public:
  struct Changes {
    bool all = true;  // the log does not reach back so far: anything may have changed
    std::span<const std::uint32_t> things{};  // oldest first
  };
  static constexpr std::uint64_t kNothingSeen = ~std::uint64_t{0};

  // `things`: how many there are. A reader that fell half of them behind looks at all of them
  // faster than at the log.
  void add(std::uint32_t thing, std::size_t things) {
    if (entries_.size() >= std::max(kShortest, things / 2)) {
      begin_ += entries_.size();
      entries_.clear();
    }
    entries_.push_back(thing);
  }
  [[nodiscard]] std::uint64_t count() const { return begin_ + entries_.size(); }
  // Valid until the next add.
  [[nodiscard]] Changes since(std::uint64_t seen) const {
    if (seen == kNothingSeen || seen < begin_) return {};
    return {false, std::span(entries_).subspan(static_cast<std::size_t>(seen - begin_))};
  }
  [[nodiscard]] std::size_t bytes() const { return entries_.capacity() * sizeof(std::uint32_t); }

 private:
  static constexpr std::size_t kShortest = 4096;
  std::vector<std::uint32_t> entries_;
  std::uint64_t begin_ = 0;
};

}  // namespace berth::placement
