// SPDX-License-Identifier: Apache-2.0
// Where a side of a fleet listens or is reached.
#pragma once

#include <cstdint>
#include <string>

#include "berth/result.hpp"

namespace berth::fleet {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;

  // "HOST:PORT", "[V6]:PORT", ":PORT" for every address. Errors: INVALID.
  static sdk::Result<Endpoint> parse(const std::string& text);
};

}  // namespace berth::fleet
