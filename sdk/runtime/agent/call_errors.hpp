// SPDX-License-Identifier: Apache-2.0
// How the agent refuses what others call.
//
// Threads: any; pure.
#pragma once

#include "berth/result.hpp"

namespace berth::runtime {

[[nodiscard]] inline sdk::Error unreadable_request() {
  return sdk::fail(BERTH_INVALID, "the request cannot be read");
}

}  // namespace berth::runtime
