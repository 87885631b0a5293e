// SPDX-License-Identifier: Apache-2.0
// Bytes that are taken piece by piece: the seam between download, decompression and unpacking.
//
// Threads: one at a time. Errors: as the implementation; after an error nothing more may be read.
#pragma once

#include <string_view>

#include "berth/result.hpp"

namespace berth::runtime::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next bytes; empty at the end. Valid until: the next read.
  [[nodiscard]] virtual sdk::Result<std::string_view> read() = 0;
};

}  // namespace berth::runtime::image
