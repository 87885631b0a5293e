// SPDX-License-Identifier: Apache-2.0
// Words of other programs (runtimes, registries, kernels), made fit for messages.
//
// Threads: any; pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::runtime {

// At most `most` bytes of valid UTF-8 without control characters: whatever is neither becomes '?', line ends become spaces.
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t most = 1024);

}  // namespace berth::runtime
