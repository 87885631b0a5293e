// SPDX-License-Identifier: Apache-2.0
// What keeps a container from its network, in ECS's form.
//
// Threads: any; pure.
#pragma once

#include "berth/result.hpp"

namespace berth::runtime {

// "ContainerNetworkingError: TEXT"; one that has such a name already keeps it.
[[nodiscard]] inline sdk::Error networking(sdk::Error error) {
  if (!error.reason.empty()) return error;
  error.message = "ContainerNetworkingError: " + error.message;
  error.reason = "ContainerNetworkingError";
  return error;
}

}  // namespace berth::runtime
