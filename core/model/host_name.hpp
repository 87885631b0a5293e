// SPDX-License-Identifier: Apache-2.0
// How people call a host: the attribute of its node by which its agent tells.
//
// Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "berth/v1/launch.pb.h"

namespace berth {

inline constexpr std::string_view kHostNameAttribute = "berth.hostname";

// Empty where the node does not tell.
[[nodiscard]] inline std::string host_name_of(const v1::Node& node) {
  for (const auto& attribute : node.attributes()) {
    if (attribute.name() == kHostNameAttribute) return attribute.value();
  }
  return {};
}

}  // namespace berth
