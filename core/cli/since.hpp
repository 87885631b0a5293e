// SPDX-License-Identifier: Apache-2.0
// How people write the beginning of a span of time.
#pragma once

#include <chrono>
#include <string>

#include "core/model/error.hpp"

namespace berth::cli {

// "90s", "10m", "2h", "1d" before `now`, a time in RFC 3339, or seconds since 1970; as the seconds since 1970 that the API takes.
// Errors: Invalid, for anything else.
[[nodiscard]] Result<std::string> seconds_since_epoch(const std::string& text, std::chrono::sys_seconds now);

}  // namespace berth::cli
