// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/host_devices.hpp"

#include <algorithm>

namespace berth::runtime {
namespace {

constexpr std::size_t kIdMost = 128;
constexpr std::size_t kTypeMost = 64;
constexpr std::int64_t kWhole = 1000;
constexpr std::int64_t kMemoryMost = std::int64_t{1} << 30;  // MiB

bool is_text(const std::string& text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
}

// What is wrong with a device; empty: nothing.
std::string fault_of(const v1::Device& device) {
  if (!is_text(device.id(), kIdMost)) return "has an id that is not 1 to 128 visible characters";
  if (!is_text(device.type(), kTypeMost)) {
    return "'" + device.id() + "' has a type that is not 1 to 64 visible characters";
  }
  if (device.memory_mib() < 0 || device.memory_mib() > kMemoryMost) {
    return "'" + device.id() + "' has a memory of " + std::to_string(device.memory_mib()) + " MiB";
  }
  if (device.share_milli() < 0 || device.share_milli() > kWhole) {
    return "'" + device.id() + "' gives away " + std::to_string(device.share_milli()) +
           " thousandths of itself";
  }
  return {};
}

std::string name_of(const v1::Device& device) {
  std::string name = "Device " + device.id() + " (" + device.type();
  if (!device.model().empty()) name += " " + device.model();
  return name + ")";
}

std::string sickness_of(const v1::Device& device) {
  const std::string& why = device.unhealthy_reason();
  return name_of(device) + " is unhealthy" + (why.empty() ? "" : ": " + why);
}

}  // namespace

void HostDevices::expect(const std::string& plugin) {
  plugins_.try_emplace(plugin);
}

std::vector<std::string> HostDevices::tell(const std::string& plugin,
                                           const v1::DeviceReport& report) {
  std::vector<std::string> complaints;
  Told& told = plugins_[plugin];
  told.known = true;
  told.silent = false;
  told.devices.clear();
  for (const v1::Device& device : report.devices()) {
    if (static_cast<int>(told.devices.size()) == kMost) {
      complaints.push_back("it has more than " + std::to_string(kMost) +
                           " devices; the others are left out");
      break;
    }
    if (const std::string fault = fault_of(device); !fault.empty()) {
      complaints.push_back("a device " + fault + "; it is left out");
    } else if (!told.devices.emplace(device.id(), device).second) {
      complaints.push_back("the device '" + device.id() + "' stands there twice");
    } else if (const std::string owner = owner_of(device.id()); owner != plugin) {
      complaints.push_back("the device '" + device.id() + "' is the plugin " + owner +
                           "'s already; it is left out");
    }
  }
  return complaints;
}

bool HostDevices::set_silent(const std::string& plugin, bool silent) {
  Told& told = plugins_[plugin];
  if (told.silent == silent) return false;
  told.silent = silent;
  return true;
}

bool HostDevices::is_whole() const {
  return std::all_of(plugins_.begin(), plugins_.end(),
                     [](const auto& one) { return one.second.known; });
}

HostDevices::Found HostDevices::find(const std::string& device_id) const {
  for (const auto& [name, told] : plugins_) {
    const auto at = told.devices.find(device_id);
    if (at != told.devices.end()) return {&name, &told, &at->second};
  }
  return {};
}

std::string HostDevices::owner_of(const std::string& device_id) const {
  const Found found = find(device_id);
  return found.plugin != nullptr ? *found.plugin : std::string();
}

std::vector<v1::Resource> HostDevices::resources() const {
  std::map<std::string, std::map<std::string, v1::Device>> types;
  for (const auto& [name, told] : plugins_) {
    for (const auto& [id, device] : told.devices) {
      if (owner_of(id) != name) continue;
      v1::Device& offered = types[device.type()][id];
      offered = device;
      if (!told.silent) continue;
      offered.set_healthy(false);
      offered.set_unhealthy_reason("the plugin " + name + " does not answer");
    }
  }
  std::vector<v1::Resource> out;
  for (const auto& [type, devices] : types) {
    v1::Resource& resource = out.emplace_back();
    resource.set_name(type);
    for (const auto& [id, device] : devices) {
      *resource.mutable_device_set()->add_devices() = device;
    }
  }
  return out;
}

std::optional<std::string> HostDevices::refusal(const std::string& device_id) const {
  const Found found = find(device_id);
  if (found.device == nullptr) return "Device " + device_id + " is not on this host";
  if (found.told->silent) {
    return name_of(*found.device) + " cannot be had: the plugin " + *found.plugin +
           " does not answer";
  }
  if (!found.device->healthy()) return sickness_of(*found.device);
  return std::nullopt;
}

std::optional<std::string> HostDevices::loss(const std::string& device_id) const {
  const Found found = find(device_id);
  if (found.device == nullptr) {
    if (!is_whole()) return std::nullopt;
    return "Device " + device_id + " is no longer on this host";
  }
  if (found.told->silent || found.device->healthy()) return std::nullopt;
  return sickness_of(*found.device);
}

}  // namespace berth::runtime
