// SPDX-License-Identifier: Apache-2.0
// Whether a request came by a name of this host itself. Where nothing but loopback guards an API,
// a web page whose name is made to lead to 127.0.0.1 could use it through a browser: the browser
// then names the page's host, and for most requests its origin. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/api/http/message.hpp"

namespace berth::api::http {

[[nodiscard]] bool is_loopback(const std::string& address);

// "localhost", "127.0.0.1:5080", "[::1]": what a Host header calls a loopback address.
[[nodiscard]] bool names_loopback(std::string_view host);

// Why a request to an unguarded API is not to be answered; none: it may be. `own` is a name by
// which the operator calls the address, besides those; may be empty.
[[nodiscard]] std::optional<std::string> strange_origin(const Request& request,
                                                        std::string_view own = {});

}  // namespace berth::api::http
