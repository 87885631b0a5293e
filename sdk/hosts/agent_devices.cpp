// SPDX-License-Identifier: Apache-2.0
#include "sdk/hosts/agent_devices.hpp"

#include <charconv>
#include <optional>
#include <string>

namespace berth::hosts {
namespace {

constexpr const char* kGpu = "GPU";
constexpr std::int64_t kMostDevices = 1024;
constexpr int kDecimals = 3;

using Requirements = google::protobuf::RepeatedPtrField<v1::ecs::ResourceRequirement>;

std::optional<std::int64_t> read_whole(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < 0) return std::nullopt;
  return number;
}

// Thousandths of "0.25".
std::optional<std::int64_t> read_part(const std::string& text) {
  if (!text.starts_with("0.")) return std::nullopt;
  std::string digits = text.substr(2);
  if (digits.empty() || digits.size() > kDecimals) return std::nullopt;
  digits.resize(kDecimals, '0');
  return read_whole(digits);
}

sdk::Result<void> read_value(const std::string& value, v1::DeviceRequirement& need) {
  if (const auto count = read_whole(value); count && *count >= 1 && *count <= kMostDevices) {
    need.set_count(*count);
    return {};
  }
  if (const auto part = read_part(value); part && *part > 0) {
    need.set_share_milli(*part);
    return {};
  }
  return sdk::fail(
      BERTH_INVALID,
      "'" + value + "' is no number of GPUs: write \"1\", or \"0.25\" for a quarter of one.");
}

sdk::Result<void> read_share(const v1::ecs::SharingStrategy& sharing, v1::DeviceRequirement& need) {
  const auto& share = sharing.nvidia_mps();
  const std::int64_t percent = share.max_compute_percent();
  if (!sharing.has_nvidia_mps() || (!share.has_max_compute_percent() && !share.has_memory())) {
    return sdk::fail(BERTH_INVALID,
                     "A sharingStrategy says nvidiaMps with memory, maxComputePercent, or both.");
  }
  if (share.has_max_compute_percent() && (percent < 1 || percent > 100)) {
    return sdk::fail(BERTH_INVALID, "maxComputePercent is a number from 1 to 100.");
  }
  if (share.has_memory() && share.memory() < 1) {
    return sdk::fail(BERTH_INVALID, "The memory of a share is at least 1 MiB.");
  }
  need.set_share_milli(percent * 10);
  need.set_memory_mib(share.memory());
  return {};
}

sdk::Result<void> read(const v1::ecs::ResourceRequirement& wanted, v1::DeviceRequirement& need) {
  need.set_type(wanted.type());
  if (!wanted.has_sharing_strategy()) return read_value(wanted.value(), need);
  if (wanted.has_value())
    return sdk::fail(BERTH_INVALID, "Give a value or a sharingStrategy, not both.");
  return read_share(wanted.sharing_strategy(), need);
}

const Requirements& wanted_by(const v1::ecs::ContainerDefinition& container,
                              const v1::ecs::TaskOverride& overrides) {
  for (const auto& changes : overrides.container_overrides()) {
    if (changes.name() == container.name() && changes.resource_requirements_size() > 0) {
      return changes.resource_requirements();
    }
  }
  return container.resource_requirements();
}

}  // namespace

sdk::Result<void> add_devices(const v1::ecs::TaskDefinition& definition,
                              const v1::ecs::TaskOverride& overrides,
                              v1::Requirement& requirement) {
  for (int i = 0; i < definition.container_definitions_size(); ++i) {
    const auto& container = definition.container_definitions(i);
    for (const auto& wanted : wanted_by(container, overrides)) {
      if (wanted.type() != kGpu) continue;  // refused by name elsewhere
      v1::DeviceRequirement need;
      need.set_container(container.name());
      if (auto done = read(wanted, need); !done) {
        return sdk::fail(BERTH_INVALID, done.error().message,
                         "containerDefinitions[" + std::to_string(i) + "].resourceRequirements");
      }
      *requirement.add_devices() = std::move(need);
    }
  }
  return {};
}

}  // namespace berth::hosts
