// SPDX-License-Identifier: Apache-2.0
// TaskKinds: what tasks have in common that are of one group and service and hold the same, devices
// aside, kept once for all of them.
//
// Invariant: a kind is there while someone shares it; its number may then be used for another.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "core/placement/lanes.hpp"
#include "core/placement/tally.hpp"

namespace berth::placement {

// Half a line of the cache: all that a plain task's coming and going needs to know of it.
struct alignas(32) TaskKind {
  Tally::Set group = 0;
  Tally::Set service = Tally::kNoSet;
  std::uint32_t holding = 0;
  // Of the holding, and whether that is all of it.
  std::int32_t cpu = 0;
  std::int32_t memory_mib = 0;
  bool is_plain = true;
  std::uint32_t sharers = 0;
};
static_assert(sizeof(TaskKind) == 32);

class TaskKinds {
 public:
  struct Acquired {
    std::uint32_t number = 0;
    bool is_new = false;
  };
  // The kind with this group, service and holding; each acquire and share wants one release.
  [[nodiscard]] Acquired acquire(const TaskKind& what) {
    const auto [at, is_new] = numbers_.try_emplace(key_of(what), 0);
    if (is_new) {
      if (free_.empty()) {
        at->second = static_cast<std::uint32_t>(kinds_.size());
        kinds_.emplace_back();
      } else {
        at->second = free_.back();
        free_.pop_back();
      }
      kinds_[at->second] = what;
      kinds_[at->second].sharers = 0;
    }
    ++kinds_[at->second].sharers;
    return {at->second, is_new};
  }
  void share(std::uint32_t number) { ++kinds_[number].sharers; }
  // True: nobody shares it any more. What it was can be read until the next acquire.
  bool release(std::uint32_t number) {
    if (--kinds_[number].sharers > 0) return false;
    numbers_.erase(key_of(kinds_[number]));
    free_.push_back(number);
    return true;
  }
  // Has the line at hand that `share` and `at` will ask for.
  void prefetch(std::uint32_t number) const { lanes::prefetch(&kinds_[number]); }
  // Valid until the next acquire.
  [[nodiscard]] const TaskKind& at(std::uint32_t number) const { return kinds_[number]; }
  [[nodiscard]] std::size_t bytes() const {
    return kinds_.capacity() * sizeof(TaskKind) + free_.capacity() * sizeof(std::uint32_t) +
           numbers_.size() * (sizeof(Key) + 5 * sizeof(void*));
  }

 private:
  using Key = std::tuple<Tally::Set, Tally::Set, std::uint32_t>;
  static Key key_of(const TaskKind& kind) { return {kind.group, kind.service, kind.holding}; }

  std::vector<TaskKind> kinds_;
  std::vector<std::uint32_t> free_;
  std::map<Key, std::uint32_t> numbers_;  // looked up, never iterated
};

}  // namespace berth::placement
