// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/node_attributes.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace berth::gpu {
namespace {

constexpr const char* kGpu = "GPU";
constexpr std::size_t kValueMost = 128;

std::vector<const v1::Device*> gpus_of(const v1::Node& node) {
  std::vector<const v1::Device*> out;
  for (const v1::Resource& resource : node.resources()) {
    for (const v1::Device& device : resource.device_set().devices()) {
      if (device.type() == kGpu) out.push_back(&device);
    }
  }
  return out;
}

// What attributes may hold: letters, digits and "-_./@: ", at most 128.
std::string as_value(const std::string& text) {
  std::string out = text.substr(0, kValueMost);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("-_./@: ").find(c) != std::string_view::npos);
      },
      '-');
  const auto first = out.find_first_not_of(' ');
  const auto last = out.find_last_not_of(' ');
  return first == std::string::npos ? "" : out.substr(first, last - first + 1);
}

void add(v1::Node& node, const std::string& name, const std::string& value) {
  if (value.empty()) return;
  for (const auto& attribute : node.attributes()) {
    if (attribute.name() == name) return;
  }
  auto& attribute = *node.add_attributes();
  attribute.set_name(name);
  attribute.set_value(value);
}

std::string topology_of(const v1::Device& device, const char* name) {
  const auto at = device.topology().find(name);
  return at == device.topology().end() ? std::string() : at->second;
}

// What all of them say; empty where they differ.
template <typename Read>
std::string common(const std::vector<const v1::Device*>& devices, Read read) {
  const std::string first = read(*devices.front());
  const bool same = std::all_of(devices.begin(), devices.end(),
                                [&](const v1::Device* device) { return read(*device) == first; });
  return same ? as_value(first) : "";
}

}  // namespace

void add_gpu_attributes(v1::Node& node) {
  const auto devices = gpus_of(node);
  if (devices.empty()) return;
  std::int64_t memory = devices.front()->memory_mib();
  for (const v1::Device* device : devices) memory = std::min(memory, device->memory_mib());
  const std::string driver =
      common(devices, [](const v1::Device& device) { return topology_of(device, "driver"); });
  add(node, "berth.gpu-count", std::to_string(devices.size()));
  add(node, "berth.gpu-model",
      common(devices, [](const v1::Device& device) { return device.model(); }));
  if (memory > 0) add(node, "berth.gpu-memory-mib", std::to_string(memory));
  add(node, "berth.gpu-vendor",
      common(devices, [](const v1::Device& device) { return topology_of(device, "vendor"); }));
  add(node, "berth.gpu-driver", driver);
  add(node, "ecs.capability.gpu-driver-version", driver);
}

}  // namespace berth::gpu
