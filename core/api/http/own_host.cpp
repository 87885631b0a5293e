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

namespace {

bool is_port(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string lowered(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

// Without its port; empty where that is none.
std::string name_of(std::string_view host) {
  const auto colon = host.find(':');
  if (colon != std::string_view::npos && !is_port(host.substr(colon + 1))) return {};
  return lowered(host.substr(0, colon));
}

}  // namespace

bool names_loopback(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view rest = host.substr(end + 1);
    if (!rest.empty() && !(rest.front() == ':' && is_port(rest.substr(1)))) return false;
    return is_loopback(std::string(host.substr(1, end - 1)));
  }
  const std::string name = name_of(host);
  return name == "localhost" || is_loopback(name);
}

std::optional<std::string> strange_origin(const Request& request, std::string_view own) {
  if (const std::string* origin = request.header("origin")) {
    return "A web page (" + origin->substr(0, 200) +
           ") may not use this API: it has no access keys. Configure some, and sign.";
  }
  const std::string* host = request.header("host");
  const bool ours =
      host == nullptr || names_loopback(*host) || (!own.empty() && name_of(*host) == lowered(own));
  if (!ours) {
    return "Without access keys this API is called by a loopback address or localhost, not by '" +
           host->substr(0, 200) + "'.";
  }
  return std::nullopt;
}

}  // namespace berth::api::http
