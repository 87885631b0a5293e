// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/amd_sysfs.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "plugins/gpu/devices/sysfs.hpp"

namespace berth::gpu::amd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVendor = "0x1002";

bool is_numbered(const std::string& name, const std::string& prefix) {
  return name.size() > prefix.size() && name.starts_with(prefix) &&
         std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

// Names in a directory that are a prefix and a number, sorted.
std::vector<std::string> numbered(const fs::path& dir, const std::string& prefix) {
  std::vector<std::string> out;
  std::error_code problem;
  for (fs::directory_iterator entry(dir, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    std::string name = entry->path().filename();
    if (is_numbered(name, prefix)) out.push_back(std::move(name));
  }
  std::ranges::sort(out);
  return out;
}

// The value of NAME=value among the lines of a uevent file.
std::string of_uevent(const std::string& lines, const std::string& name) {
  const std::string all = "\n" + lines + "\n";
  const auto at = all.find("\n" + name + "=");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 2;
  return all.substr(from, all.find('\n', from) - from);
}

std::string printable(std::string text) {
  std::erase_if(text, [](char c) { return c < ' ' || c > '~'; });
  return text;
}

std::int64_t mib(const fs::path& file) {
  return read_number(file).value_or(0) >> 20;
}

std::string fault_of(const fs::path& device, const Gpu& gpu) {
  if (gpu.render.empty()) return "its driver offers no render node";
  // Of a device that is off its bus, all bits read as ones.
  if (const SysfsText config = read_sysfs(device / "config"); config.text.starts_with("\xff\xff")) {
    return "it has fallen off the PCI bus";
  }
  const SysfsText busy = read_sysfs(device / "gpu_busy_percent");
  const bool untold = busy.error == ENOENT || busy.error == EOPNOTSUPP || busy.error == EINVAL ||
                      busy.error == EACCES;
  if (busy.error != 0 && !untold) {
    return std::string("its driver does not answer: ") + std::strerror(busy.error);
  }
  const std::string mode = read_sysfs(device / "current_compute_partition").text;
  if (!mode.empty() && mode != "SPX") {
    return "it is in partition mode " + printable(mode) + ", and partitions are not offered";
  }
  return {};
}

Gpu read(const fs::path& device, const std::string& uevent, const std::string& driver) {
  Gpu gpu;
  gpu.driver = driver;
  gpu.pci = printable(of_uevent(uevent, "PCI_SLOT_NAME"));
  const std::string unique = printable(read_sysfs(device / "unique_id").text);
  gpu.id = unique.empty() ? "amd-" + gpu.pci : "GPU-" + unique;
  gpu.name = printable(read_sysfs(device / "product_name").text);
  if (gpu.name.empty()) gpu.name = "AMD " + printable(read_sysfs(device / "device").text);
  gpu.memory_mib = mib(device / "mem_info_vram_total");
  gpu.numa = numa_node(device);
  const std::string hive = printable(read_sysfs(device / "xgmi_hive_info/xgmi_hive_id").text);
  if (!hive.empty() && hive != "0") gpu.link_group = "xgmi-" + hive;
  const auto renders = numbered(device / "drm", "renderD");
  if (!renders.empty()) gpu.render = renders.front();
  gpu.fault = fault_of(device, gpu);
  return gpu;
}

}  // namespace

std::vector<Gpu> scan(const fs::path& sysfs_root) {
  std::vector<Gpu> out;
  const std::string driver = printable(read_sysfs(sysfs_root / "module/amdgpu/version").text);
  for (const std::string& card : numbered(sysfs_root / "class/drm", "card")) {
    const fs::path device = sysfs_root / "class/drm" / card / "device";
    if (read_sysfs(device / "vendor").text != kVendor) continue;
    const std::string uevent = read_sysfs(device / "uevent").text;
    if (of_uevent(uevent, "DRIVER") != "amdgpu") continue;
    out.push_back(read(device, uevent, driver));
    out.back().card = card;
  }
  return out;
}

std::vector<v1::DeviceStats> stats(const fs::path& sysfs_root, const std::vector<Gpu>& gpus) {
  std::vector<v1::DeviceStats> out;
  for (const Gpu& gpu : gpus) {
    const fs::path device = sysfs_root / "class/drm" / gpu.card / "device";
    const auto used = read_number(device / "mem_info_vram_used");
    if (!used) continue;
    v1::DeviceStats& stats = out.emplace_back();
    stats.set_device_id(gpu.id);
    stats.set_memory_used_mib(*used >> 20);
    stats.set_memory_total_mib(gpu.memory_mib);
    if (const auto busy = read_number(device / "gpu_busy_percent")) {
      stats.set_utilization(static_cast<double>(*busy) / 100.0);
    }
  }
  return out;
}

}  // namespace berth::gpu::amd
