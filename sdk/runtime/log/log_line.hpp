// SPDX-License-Identifier: Apache-2.0
// One line of a json-file log.
//
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sdk/runtime/log/json_log.hpp"

namespace berth::runtime {

// Nothing where it is damaged.
[[nodiscard]] std::optional<LogRecord> parse_log_line(std::string_view line);

// Whether the record ends a line of output, told without parsing all of it.
[[nodiscard]] bool ends_output_line(std::string_view line);

// Nanoseconds since the epoch of "2026-11-23T13:24:20.180047Z", also with an offset instead of Z.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace berth::runtime
