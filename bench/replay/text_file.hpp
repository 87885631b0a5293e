// SPDX-License-Identifier: Apache-2.0
// The whole text of a file, plain or gzip. Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <tl/expected.hpp>

namespace berth::replay {

template <typename T>
using Outcome =
    tl::expected<T, std::string>;  // or a sentence for people, with file, line and column

inline constexpr std::size_t kMaxTextMib = 256;

// Errors: unreadable, damaged, or unpacked over `most_mib`.
[[nodiscard]] Outcome<std::string> read_text(const std::string& path,
                                             std::size_t most_mib = kMaxTextMib);

}  // namespace berth::replay
