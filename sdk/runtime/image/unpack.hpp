// SPDX-License-Identifier: Apache-2.0
// One layer, from its blob to a directory, in one streaming pass: decompress, hash, untar.
//
// Threads: any, one at a time for one directory.
// Errors: INVALID for layers that are damaged, hostile or not what their diff id says; NO_CAPACITY
// where the disk or the budget is used up; else the blob's own. After an error the directory holds
// rubbish, all of it inside.
#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/image/byte_source.hpp"

namespace berth::runtime::image {

// What the layers of one image may still take, together. Threads: any.
struct UnpackBudget {
  std::atomic<std::int64_t> bytes;
  std::atomic<std::int64_t> entries;
};

struct UnpackedLayer {
  std::uint64_t bytes = 0;        // of the tar
  std::set<std::string> implied;  // directories that the layer needs but does not describe
  bool opaque = false;            // it hides all that lies below it
};

// Reads `blob` to its end, so that the blob's own check of size and digest has been made when this
// succeeds.
[[nodiscard]] sdk::Result<UnpackedLayer> unpack_layer(ByteSource& blob, const std::string& diff_id,
                                                      int directory, UnpackBudget& budget);

}  // namespace berth::runtime::image
