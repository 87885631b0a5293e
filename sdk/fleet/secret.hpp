// SPDX-License-Identifier: Apache-2.0
// Random secrets, their hashes, and the join token that an operator carries from a server to an agent.
//
// A token is "berth1:<sha256 of the fleet's CA certificate>:<secret>", both in hex: the agent first checks that
// the one it talks to has that certificate, and only then says the secret.
// Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "berth/result.hpp"

namespace berth::fleet {

// `bytes` random bytes as lower-case hex. A machine without randomness ends the process.
[[nodiscard]] std::string random_hex(std::size_t bytes);

[[nodiscard]] std::string to_hex(std::string_view bytes);

// 32 bytes.
[[nodiscard]] std::string sha256(std::string_view bytes);

// Whether both are equal, in a time that tells nothing of where they differ.
[[nodiscard]] bool equal_secrets(std::string_view a, std::string_view b);

// Whether `text` is `digits` lower-case hex digits.
[[nodiscard]] bool is_hex(std::string_view text, std::size_t digits);

struct JoinToken {
  std::string fingerprint;  // 64 hex digits
  std::string secret;       // 64 hex digits

  [[nodiscard]] std::string text() const;

  // Blanks around it are taken off. Errors: INVALID; the message does not repeat the text.
  static sdk::Result<JoinToken> parse(std::string_view text);
};

}  // namespace berth::fleet
