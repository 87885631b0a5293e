// SPDX-License-Identifier: Apache-2.0
// SHA-256 of bytes, as bytes.
//
// Threads: any.
#pragma once

#include <string>
#include <string_view>

namespace berth::control {

[[nodiscard]] std::string sha256(std::string_view bytes);

}  // namespace berth::control
