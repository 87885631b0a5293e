// SPDX-License-Identifier: Apache-2.0
// An http or https URL, taken apart by libcurl's parser.
//
// Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "berth/result.hpp"

namespace berth::runtime::http {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 in brackets
  std::string port;    // always set
  std::string path;    // begins with '/'
  std::string query;   // without '?'

  // "host", with ":port" where it is not the scheme's own.
  [[nodiscard]] std::string authority() const;
  // Whether both are one server, to which the same credentials may go.
  [[nodiscard]] bool same_origin(const Url& other) const;
  // Whether the host is localhost or a loopback address, by its name alone.
  [[nodiscard]] bool is_loopback() const;
  // For messages: without query, which may carry a signature.
  [[nodiscard]] std::string for_people() const;
  [[nodiscard]] std::string to_string() const;
};

// Errors: INVALID; also for other schemes, and for user names or passwords in the URL.
[[nodiscard]] sdk::Result<Url> parse_url(std::string_view text);

// `location`, which may be relative, as seen from `base`.
[[nodiscard]] sdk::Result<Url> resolve_url(const Url& base, std::string_view location);

// "a b/c" -> "a%20b%2Fc"
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace berth::runtime::http
