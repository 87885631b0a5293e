// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/own_host.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace berth::api::http {

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool names_loopback(std::string_view host) {
  const auto is_port = [](std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view rest = host.substr(end + 1);
    if (!rest.empty() && !(rest.front() == ':' && is_port(rest.substr(1)))) return false;
    return is_loopback(std::string(host.substr(1, end - 1)));
  }
  if (const auto colon = host.find(':'); colon != std::string_view::npos) {
    if (!is_port(host.substr(colon + 1))) return false;
    host = host.substr(0, colon);
  }
  std::string name(host);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name == "localhost" || is_loopback(name);
}

std::optional<std::string> strange_origin(const Request& request) {
  if (const std::string* origin = request.header("origin")) {
    return "A web page (" + origin->substr(0, 200) +
           ") may not use this API: it has no access keys. Configure some, and sign.";
  }
  const std::string* host = request.header("host");
  if (host != nullptr && !names_loopback(*host)) {
    return "Without access keys this API is called by a loopback address or localhost, not by '" +
           host->substr(0, 200) + "'.";
  }
  return std::nullopt;
}

}  // namespace berth::api::http
