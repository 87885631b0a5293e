// SPDX-License-Identifier: Apache-2.0
// What a pull must at least do, as fast as the best libraries do it: a layer is fetched whole,
// inflated at once (libdeflate, zstd), hashed twice, and untarred by libarchive, one layer a core
// at a time, the big ones first. Nothing is checked against hostile archives, nothing is
// remembered.
//
// Errors: as find_layers; INVALID for a digest that is wrong.
#pragma once

#include <string>

#include "berth/result.hpp"

namespace berth::bench {

// Unpacks layer i of `image` into `directory`/i, which must be there and empty.
[[nodiscard]] sdk::Result<void> pull_floor(const std::string& image, const std::string& directory,
                                           unsigned threads);

}  // namespace berth::bench
