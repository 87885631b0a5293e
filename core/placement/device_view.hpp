// SPDX-License-Identifier: Apache-2.0
// DeviceView: a node's devices of one type as the scores see them: a number from 0 to 1000 each.
//
// A device that may be given whole has 1000, one that is given in parts what is left of it but at
// most 999, any other (given whole, unhealthy, a relative in use) 0. A partition is seen beside its
// parent as long as both are free. Threads: one at a time; a view is kept for its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/placement/devices.hpp"
#include "core/placement/fragmentation.hpp"

namespace berth::placement {

// Numbers for the models that expected tasks name, so that sets of them are bits. Devices that are
// given whole only have numbers of their own: no part comes from them.
class DeviceModels {
 public:
  static constexpr std::size_t kMost = kMaxModels / 2 - 1;

  // Errors: Invalid (a class; more than kMost models), `what` as "tasks[2].share_milli".
  [[nodiscard]] static Result<std::vector<TargetClass>> read(const std::vector<ExpectedTask>& tasks,
                                                             DeviceModels& models);

  [[nodiscard]] std::uint32_t number(const Device& device) const;
  [[nodiscard]] ModelSet set_of(const ExpectedTask& task) const;
  // Any model, of devices that parts may come from.
  [[nodiscard]] static ModelSet any_shared();

 private:
  [[nodiscard]] std::size_t find(const std::string& model) const;

  std::vector<std::string> names_;
};

struct DeviceView {
  std::vector<DeviceFree> free{};
  std::vector<std::size_t> devices{};  // of `free`, in the book
  std::int64_t left_milli = 0;
  // A part that is taken takes just its share of `free`, and all that has the share left serves.
  bool plain = true;

  // The models are 0 without `models`.
  void look(const DeviceBook& book, const std::string& type, const DeviceModels* models);
};

}  // namespace berth::placement
