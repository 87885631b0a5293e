// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/device_list.hpp"

#include <algorithm>
#include <utility>

#include "plugins/gpu/devices/nvidia_name.hpp"
#include "plugins/gpu/devices/sysfs.hpp"
#include "sdk/cdi/match.hpp"

namespace berth::gpu {
namespace {

constexpr const char* kType = "GPU";
constexpr const char* kNvidia = "nvidia.com/gpu";
constexpr const char* kAmd = "amd.com/gpu";

void set_place(v1::Device& device, const char* key, const std::string& value) {
  if (value.empty()) {
    device.mutable_topology()->erase(key);
  } else {
    (*device.mutable_topology())[key] = value;
  }
}

bool is_of(const Listed& listed, const char* vendor) {
  const auto it = listed.device.topology().find("vendor");
  return it != listed.device.topology().end() && it->second == vendor;
}

void add_node(v1::OciEdits& edits, const std::string& path) {
  edits.add_device_nodes()->set_path(path);
}

bool is_same(const v1::Device& a, const v1::Device& b) {
  // Maps have no order of their own on the wire: they are compared as maps.
  const auto equal_maps = [](const auto& left, const auto& right) {
    return left.size() == right.size() && std::ranges::all_of(left, [&](const auto& row) {
             const auto it = right.find(row.first);
             return it != right.end() && it->second == row.second;
           });
  };
  return a.id() == b.id() && a.type() == b.type() && a.model() == b.model() &&
         a.memory_mib() == b.memory_mib() && a.share_milli() == b.share_milli() &&
         a.healthy() == b.healthy() && a.unhealthy_reason() == b.unhealthy_reason() &&
         equal_maps(a.topology(), b.topology());
}

}  // namespace

bool DeviceList::update(const Sources& sources, const cdi::Catalog& catalog) {
  Found found;
  add_nvidia(sources, catalog, found);
  add_amd(sources, catalog, found);
  add_of_cdi(sources, catalog, found);
  for (const auto& [id, listed] : all_) {
    if (found.contains(id)) continue;
    Listed gone = listed;
    const bool of_cdi = !is_of(gone, "nvidia") && !is_of(gone, "amd");
    gone.device.set_healthy(false);
    gone.device.set_unhealthy_reason(of_cdi ? "no CDI file describes it any more"
                                            : "it is gone: its driver lists it no more");
    found.emplace(id, std::move(gone));
  }
  const bool changed = !std::ranges::equal(found, all_, [](const auto& now, const auto& before) {
    return is_same(now.second.device, before.second.device);
  });
  all_ = std::move(found);
  return changed;
}

v1::DeviceReport DeviceList::report() const {
  v1::DeviceReport report;
  for (const auto& [id, listed] : all_) *report.add_devices() = listed.device;
  return report;
}

bool DeviceList::was_offered(const std::string& id) const {
  const auto it = all_.find(id);
  return it != all_.end() && it->second.device.healthy();
}

// Health is the device's own, and at first whether a container can get it.
void DeviceList::settle(Listed& listed, const std::string& fault) const {
  v1::Device& device = listed.device;
  device.set_type(kType);
  if (config_.sharing) device.set_share_milli(1000);
  device.set_unhealthy_reason(!fault.empty() || was_offered(device.id()) ? fault : listed.no_way);
  device.set_healthy(device.unhealthy_reason().empty());
}

// All of a vendor's as they were, for a reason that they share.
void DeviceList::keep(const char* vendor, const std::string& reason, Found& found) const {
  for (const auto& [id, listed] : all_) {
    if (!is_of(listed, vendor)) continue;
    Listed kept = listed;
    kept.device.set_healthy(false);
    kept.device.set_unhealthy_reason(reason);
    found.emplace(id, std::move(kept));
  }
}

void DeviceList::add_nvidia(const Sources& sources, const cdi::Catalog& catalog, Found& found) {
  if (!sources.nvml) return;
  const nvml::Scan& scan = *sources.nvml;
  nvml_seen_ |= scan.has_library;
  if (!nvml_seen_) return;
  const std::string patience = std::to_string(config_.driver_timeout.count());
  if (sources.nvml_hangs) {
    return keep("nvidia", "NVML hangs: a call has taken longer than " + patience + " ms", found);
  }
  for (const nvml::Gpu& gpu : scan.gpus) {
    Listed listed;
    if (const auto it = all_.find(gpu.uuid); it != all_.end()) listed.device = it->second.device;
    v1::Device& device = listed.device;
    device.set_id(gpu.uuid);
    set_place(device, "vendor", "nvidia");
    set_place(device, "driver", scan.driver);
    if (!gpu.name.empty()) {  // a device at fault may not tell what it is
      device.set_model(gpu.name);
      device.set_memory_mib(gpu.memory_mib);
      set_place(device, "pci", gpu.pci);
      set_place(device, "numa",
                numa_node(std::filesystem::path(config_.sysfs_root) / "bus/pci/devices" / gpu.pci));
      set_place(device, "link_group", gpu.link_group);
    }
    const auto name = nvidia_name(catalog, kNvidia, gpu.uuid, gpu.index, gpu.minor);
    if (name) {
      listed.cdi_name = *name;
    } else {
      listed.no_way = name.error().message;
    }
    settle(listed, gpu.fault);
    found.insert_or_assign(gpu.uuid, std::move(listed));
  }
  if (!scan.problem.empty()) keep("nvidia", "its driver does not list it: " + scan.problem, found);
}

void DeviceList::add_amd(const Sources& sources, const cdi::Catalog& catalog, Found& found) {
  if (!sources.amd) return;
  if (sources.amd_hangs) {
    const std::string patience = std::to_string(config_.driver_timeout.count());
    return keep("amd", "its driver hangs: reading took longer than " + patience + " ms", found);
  }
  for (const amd::Gpu& gpu : *sources.amd) {
    amd_seen_ = true;
    Listed listed;
    v1::Device& device = listed.device;
    device.set_id(gpu.id);
    device.set_model(gpu.name);
    device.set_memory_mib(gpu.memory_mib);
    set_place(device, "vendor", "amd");
    set_place(device, "driver", gpu.driver);
    set_place(device, "pci", gpu.pci);
    set_place(device, "numa", gpu.numa);
    set_place(device, "link_group", gpu.link_group);
    if (const auto name = cdi::name_by_node(catalog, kAmd, "/dev/dri/" + gpu.render)) {
      listed.cdi_name = *name;
    } else {
      // What runs on them is in the image: nodes are all that the host has to give.
      add_node(listed.nodes, "/dev/kfd");
      add_node(listed.nodes, "/dev/dri/" + gpu.card);
      add_node(listed.nodes, "/dev/dri/" + gpu.render);
    }
    settle(listed, gpu.fault);
    found.insert_or_assign(gpu.id, std::move(listed));
  }
}

void DeviceList::add_of_cdi(const Sources& sources, const cdi::Catalog& catalog,
                            Found& found) const {
  for (const std::string& kind : catalog.kinds()) {
    const bool wanted = config_.cdi_kinds.empty()
                            ? kind.ends_with("/gpu")
                            : std::ranges::find(config_.cdi_kinds, kind) != config_.cdi_kinds.end();
    // Who has a driver to ask is asked alone; until it has answered, nobody knows.
    if (!wanted || (kind == kNvidia && (nvml_seen_ || !sources.nvml)) ||
        (kind == kAmd && (amd_seen_ || !sources.amd))) {
      continue;
    }
    for (const cdi::Entry* entry : cdi::distinct(catalog.of_kind(kind))) {
      Listed listed;
      listed.cdi_name = entry->qualified_name();
      listed.device.set_id(listed.cdi_name);
      listed.device.set_model(kind);
      set_place(listed.device, "vendor", entry->spec->vendor());
      listed.no_way = cdi::missing_support(*entry);
      settle(listed, "");
      found.insert_or_assign(listed.cdi_name, std::move(listed));
    }
  }
}

}  // namespace berth::gpu
