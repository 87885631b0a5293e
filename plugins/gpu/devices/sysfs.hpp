// SPDX-License-Identifier: Apache-2.0
// Files of sysfs: what the kernel tells, a line each.
//
// Threads: any. Reading may wake a device, or hang in its driver.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace berth::gpu {

// What a file of sysfs says, without the line's end.
struct SysfsText {
  std::string text;
  int error = 0;  // errno; ENOENT where there is no such file
};
[[nodiscard]] SysfsText read_sysfs(const std::filesystem::path& file);

// A decimal number. None where the file is not there or says something else.
[[nodiscard]] std::optional<std::int64_t> read_number(const std::filesystem::path& file);

// The NUMA node of a PCI device; empty where the host has one node only, or does not tell.
[[nodiscard]] std::string numa_node(const std::filesystem::path& device);

}  // namespace berth::gpu
