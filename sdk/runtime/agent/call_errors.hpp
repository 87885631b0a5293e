// SPDX-License-Identifier: Apache-2.0
// How the agent's failures go to whoever called.
//
// Threads: any; pure.
#pragma once

#include <string>

#include "berth/result.hpp"
#include "berth/v1/plugin.pb.h"

namespace berth::runtime {

// A serialised v1::Failure.
[[nodiscard]] inline std::string failure_bytes(const sdk::Error& error) {
  v1::Failure failure;
  failure.set_message(error.message);
  failure.set_field(error.field);
  failure.set_reason(error.reason);
  failure.set_retry_after_ms(error.retry_after_ms);
  return failure.SerializeAsString();
}

[[nodiscard]] inline sdk::Error unreadable_request() {
  return sdk::fail(BERTH_INVALID, "the request cannot be read");
}

}  // namespace berth::runtime
