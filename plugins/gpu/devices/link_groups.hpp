// SPDX-License-Identifier: Apache-2.0
// Which devices are joined by direct links, in groups.
//
// Threads: any; a pure function.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace berth::gpu {

// PCI address of a device, and those of the ends of its links: other devices, or switches.
struct Linked {
  std::string pci;
  std::vector<std::string> ends;
};

// By PCI address of the device: its group, named by the least address in it. Devices that are
// joined to no other one are left out.
[[nodiscard]] std::map<std::string, std::string> link_groups(const std::vector<Linked>& devices);

}  // namespace berth::gpu
