// SPDX-License-Identifier: Apache-2.0
// Holdings: what a task holds on its node, devices aside, kept once for all tasks that hold the
// same.
//
// Invariant: a holding is there while someone shares it; its number may then be used for another.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/placement/types.hpp"

namespace berth::placement {

using ColumnId = std::uint32_t;

struct Holding {
  struct Part {
    ColumnId column = 0;
    std::int64_t amount = 0;
    auto operator<=>(const Part&) const = default;
  };
  std::int32_t cpu = 0;
  std::int32_t memory_mib = 0;
  std::vector<Part> parts{};           // of other columns
  std::vector<std::uint32_t> ports{};  // see port_key
};

[[nodiscard]] inline std::uint32_t port_key(Port port) {
  return (static_cast<std::uint32_t>(port.protocol) << 16) | port.number;
}
[[nodiscard]] inline Port port_of(std::uint32_t key) {
  return Port{static_cast<Port::Protocol>(key >> 16), static_cast<std::uint16_t>(key)};
}

class Holdings {
 public:
  // The number of this holding; each acquire and share wants one release.
  [[nodiscard]] std::uint32_t acquire(Holding holding);
  void share(std::uint32_t number) { ++entries_[number].sharers; }
  void release(std::uint32_t number);
  // Valid until the next acquire.
  [[nodiscard]] const Holding& at(std::uint32_t number) const { return entries_[number].what; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct alignas(64) Entry {  // one line of the cache
    Holding what;
    std::uint32_t sharers = 0;
  };
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // looked up, never iterated
};

}  // namespace berth::placement
