// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/xid_quarantine.hpp"

#include <algorithm>
#include <iterator>

namespace berth::gpu::nvml {
namespace {

// What a faulty program alone brings about: out of bounds, page faults, its own end. The device
// goes on.
constexpr std::uint64_t kOfPrograms[] = {13, 31, 43, 45, 68, 109};

}  // namespace

void XidQuarantine::add(const std::string& uuid, std::uint64_t xid, Clock::time_point now) {
  if (std::ranges::find(kOfPrograms, xid) != std::end(kOfPrograms)) return;
  held_[uuid] = {xid, length_.count() == 0 ? Clock::time_point::max() : now + length_};
}

std::string XidQuarantine::fault(const std::string& uuid, Clock::time_point now) {
  const auto it = held_.find(uuid);
  if (it == held_.end()) return {};
  if (it->second.until <= now) {
    held_.erase(it);
    return {};
  }
  return "its driver reported the error XID " + std::to_string(it->second.xid) +
         (length_.count() == 0 ? "; it is held back until the agent starts again"
                               : "; it is held back until none has come for " +
                                     std::to_string(length_.count()) + " seconds");
}

}  // namespace berth::gpu::nvml
