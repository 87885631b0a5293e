// SPDX-License-Identifier: Apache-2.0
// The parts of an OCI configuration that build_config puts together; for spec_*.cpp only.
//
// Threads: any; pure but for spec::devices, which looks at device nodes. Errors: INVALID with the
// member of the spec at fault.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "berth/result.hpp"
#include "sdk/runtime/oci/container.hpp"
#include "sdk/runtime/oci/spec_builder.hpp"

namespace berth::runtime::spec {

namespace json = boost::json;

[[nodiscard]] inline json::array array_of(const auto& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(json::string_view(value.data(), value.size()));
  return out;
}

[[nodiscard]] inline sdk::Error invalid(std::string_view field, std::string_view why) {
  return sdk::fail(BERTH_INVALID, std::string(field) + " " + std::string(why), std::string(field));
}

// Where berth-init is seen in a container.
inline constexpr std::string_view kInitPath = "/sbin/docker-init";

// Capabilities of the program: bits.
[[nodiscard]] std::uint64_t granted(const ContainerSpec& spec, const HostAbilities& host);
[[nodiscard]] json::object process(const ContainerSpec& spec, const HostAbilities& host);

[[nodiscard]] json::array mounts(const ContainerSpec& spec);

struct Devices {
  json::array nodes;
  json::array rules;  // of the device cgroup
};
[[nodiscard]] sdk::Result<Devices> devices(const ContainerSpec& spec);

[[nodiscard]] json::array namespaces(const ContainerSpec& spec, const HostAbilities& host);
[[nodiscard]] json::object resources(const ContainerSpec& spec, const HostAbilities& host,
                                     json::array device_rules);

}  // namespace berth::runtime::spec
