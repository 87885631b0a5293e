// SPDX-License-Identifier: Apache-2.0
// The tar inside a layer's blob: gzip (several members), zstd (several frames) or plain, as its
// first bytes say.
//
// Threads: one at a time. Errors: INVALID for damaged or truncated streams, else the source's own.
#pragma once

#include <memory>

#include "sdk/runtime/image/byte_source.hpp"

namespace berth::runtime::image {

// Requires: `source` outlives what is returned, which reads it to its end before it ends itself.
[[nodiscard]] std::unique_ptr<ByteSource> decompress(ByteSource& source);

}  // namespace berth::runtime::image
