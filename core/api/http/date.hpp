// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/model/instant.hpp"

namespace berth::api::http {

// A date as HTTP writes it: "Mon, 23 Nov 2026 13:22:35 GMT".
[[nodiscard]] std::string http_date(Instant at);

}  // namespace berth::api::http
