// SPDX-License-Identifier: Apache-2.0
// The typed arguments of the cluster query language, read from their text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::placement {

[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);
// Milliseconds since the Unix epoch of 2018-06-18, 2018-06-18T22:28:28, the same with .123 and with
// Z or +00:00; UTC without a zone.
[[nodiscard]] std::optional<std::int64_t> parse_instant_ms(std::string_view text);

}  // namespace berth::placement
