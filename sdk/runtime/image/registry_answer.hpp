// SPDX-License-Identifier: Apache-2.0
// What a registry means by an answer other than the one that was asked for.
//
// Threads: any; refusal() reads the answer's body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "berth/result.hpp"
#include "sdk/runtime/http/client.hpp"

namespace berth::runtime::image {

// `what` was asked for. With the registry's own words where it has some, fit for one line.
// NOT_FOUND, DENIED, UNAVAILABLE or INVALID.
[[nodiscard]] sdk::Error refusal(http::Stream& stream, const std::string& what);

// All challenges of an answer in one line, as the header's grammar joins them.
[[nodiscard]] std::string challenge_of(const http::Response& response);

// The first byte of a 206's range; nothing where the header is none.
[[nodiscard]] std::optional<std::uint64_t> range_start(std::string_view header);

}  // namespace berth::runtime::image
