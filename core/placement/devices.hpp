// SPDX-License-Identifier: Apache-2.0
// DeviceBook: which of a node's devices are in use, and which would serve a task.
//
// Invariants: what `choose` returns fits as it is; it finds an assignment wherever one exists, as
// long as the search takes no more than kMaxTries steps (a limit that only contrived mixes of
// unequal parts reach: then it answers "none"). Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/placement/types.hpp"

namespace berth::placement {

class DeviceBook {
 public:
  static constexpr std::size_t kMaxTries = 20'000;

  DeviceBook() = default;
  explicit DeviceBook(std::vector<Device> devices);

  [[nodiscard]] const std::vector<Device>& devices() const { return devices_; }
  [[nodiscard]] DeviceLeft left(std::size_t device) const;
  // Whole devices of a type that could be given, and thousandths of devices that could be given in
  // parts: upper bounds, exact where no device is a partition.
  [[nodiscard]] std::int64_t free_whole(std::string_view type) const;
  [[nodiscard]] std::int64_t free_share(std::string_view type) const;

  // What of a device could be given now.
  struct Room {
    bool whole = false;
    bool parts = false;
    std::int64_t share_milli = 0;  // that no part took; may be below 0
  };
  [[nodiscard]] Room room(std::size_t device) const;
  [[nodiscard]] bool serves(std::size_t device, const DeviceNeed& need) const;
  // Whether any device is a partition of another.
  [[nodiscard]] bool has_relatives() const { return has_relatives_; }
  [[nodiscard]] DeviceGrant grant_of(const DeviceNeed& need, std::uint32_t index,
                                     std::size_t device) const;

  // Needs in their order; whole devices are those that lie closest together (closeness.hpp), of
  // equal ones the first that serve; a part comes from the device with the least left that serves;
  // where that leads nowhere the next one is tried.
  [[nodiscard]] std::optional<std::vector<DeviceGrant>> choose(
      std::span<const DeviceNeed> needs) const;

  // Whether choose finds anything.
  [[nodiscard]] bool suffices(std::span<const DeviceNeed> needs) const;

  // Grants of ids that are not here are ignored. Giving back what was never taken is a bug of the
  // caller.
  void take(const DeviceGrant& grant);
  void give_back(const DeviceGrant& grant);
  [[nodiscard]] std::optional<std::size_t> find(std::string_view id) const;

 private:
  struct Use {
    std::uint32_t whole =
        0;  // holders of the whole device: more than one only after contradicting adoptions
    std::uint32_t parts = 0;
    std::int64_t share_milli = 0;
    std::int64_t memory_mib = 0;
  };
  struct Search;

  [[nodiscard]] bool idle(std::size_t device) const;
  [[nodiscard]] bool relatives_idle(std::size_t device) const;
  [[nodiscard]] bool serves_whole(std::size_t device) const;
  [[nodiscard]] bool serves_parts(std::size_t device) const;
  [[nodiscard]] bool tighter(std::size_t a, std::size_t b) const;
  [[nodiscard]] std::optional<std::vector<DeviceGrant>> choose_one(const DeviceNeed& need) const;
  [[nodiscard]] std::optional<std::vector<DeviceGrant>> search(
      std::span<const DeviceNeed> needs) const;
  [[nodiscard]] bool alike(std::size_t a, std::size_t b) const;

  std::vector<Device> devices_;
  std::vector<std::int32_t> parents_;  // index, or -1
  std::vector<Use> uses_;
  bool has_relatives_ = false;
  bool has_places_ = false;  // any device says where it is
};

}  // namespace berth::placement
