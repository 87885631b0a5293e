// SPDX-License-Identifier: Apache-2.0
// AMD's devices as the kernel's driver tells in sysfs.
//
// Threads: any; reading may hang in the driver, so it belongs on a DriverThread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "berth/v1/host.pb.h"

namespace berth::gpu::amd {

struct Gpu {
  std::string id;  // "GPU-<unique id>", as ROCm names it; "amd-<pci>" where it has none
  std::string name;
  std::int64_t memory_mib = 0;
  std::string pci;
  std::string numa;
  std::string link_group;  // devices of one XGMI hive
  std::string driver;      // version; empty with the kernel's own
  std::string card;        // "card0" of /dev/dri
  std::string render;      // "renderD128" of /dev/dri
  std::string fault;       // why it cannot be used; empty where it can
};

[[nodiscard]] std::vector<Gpu> scan(const std::filesystem::path& sysfs_root);

// Empty where the device is not there.
[[nodiscard]] std::vector<v1::DeviceStats> stats(const std::filesystem::path& sysfs_root,
                                                 const std::vector<Gpu>& gpus);

}  // namespace berth::gpu::amd
