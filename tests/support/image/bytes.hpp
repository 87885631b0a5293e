// SPDX-License-Identifier: Apache-2.0
// A ByteSource over a string, in pieces of a chosen size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "sdk/runtime/image/byte_source.hpp"

namespace berth::test {

class Bytes : public runtime::image::ByteSource {
 public:
  explicit Bytes(std::string bytes, std::size_t piece = 65536)
      : bytes_(std::move(bytes)), piece_(piece) {}
  sdk::Result<std::string_view> read() override {
    const std::size_t size = std::min(piece_, bytes_.size() - at_);
    const std::string_view out = std::string_view{bytes_}.substr(at_, size);
    at_ += size;
    return out;
  }

 private:
  std::string bytes_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

}  // namespace berth::test
