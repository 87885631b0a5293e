// SPDX-License-Identifier: Apache-2.0
// CompactString: a string that never changes, in one pointer and its bytes; for millions of ids.
//
// Threads: as std::string.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace berth::placement {

class CompactString {
 public:
  CompactString() = default;
  explicit CompactString(std::string_view text) {
    if (text.empty()) return;
    const auto size = static_cast<std::uint32_t>(text.size());
    bytes_ = std::make_unique<char[]>(sizeof(size) + text.size());
    std::memcpy(bytes_.get(), &size, sizeof(size));
    std::memcpy(bytes_.get() + sizeof(size), text.data(), text.size());
  }
  [[nodiscard]] std::string_view view() const {
    if (bytes_ == nullptr) return {};
    std::uint32_t size = 0;
    std::memcpy(&size, bytes_.get(), sizeof(size));
    return {bytes_.get() + sizeof(size), size};
  }
  // Of the heap.
  [[nodiscard]] std::size_t bytes() const {
    return bytes_ == nullptr ? 0 : sizeof(std::uint32_t) + view().size();
  }

 private:
  std::unique_ptr<char[]> bytes_;
};

}  // namespace berth::placement
