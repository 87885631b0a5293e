// SPDX-License-Identifier: Apache-2.0
// Why a container did not come to run, in ECS's form.
//
// Threads: any; pure.
#pragma once

#include <string>

#include "berth/result.hpp"

namespace berth::runtime {

// "NAME: text"; a text that begins with a name of its own keeps it.
[[nodiscard]] inline std::string reason_of(const char* name, const sdk::Error& error) {
  const auto colon = error.message.find("Error: ");
  const auto space = error.message.find(' ');
  if (colon != std::string::npos && space == colon + 6) return error.message;
  return std::string(name) + ": " + error.message;
}

}  // namespace berth::runtime
