// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/endpoint.hpp"

namespace berth::fleet {

std::string Endpoint::text() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
         std::to_string(port);
}

sdk::Result<Endpoint> Endpoint::parse(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto bad = sdk::fail(BERTH_INVALID, "'" + text + "' is not of the form HOST:PORT");
  if (colon == std::string::npos || colon + 1 == text.size() || text.size() - colon > 6) return bad;
  Endpoint end{text.substr(0, colon), 0};
  unsigned port = 0;
  for (const char c : text.substr(colon + 1)) {
    if (c < '0' || c > '9') return bad;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port > 65535) return bad;
  end.port = static_cast<std::uint16_t>(port);
  if (end.host.starts_with('[') && end.host.ends_with(']')) {
    end.host = end.host.substr(1, end.host.size() - 2);
  } else if (end.host.find(':') != std::string::npos) {
    return bad;
  }
  return end;
}

}  // namespace berth::fleet
