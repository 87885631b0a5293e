// SPDX-License-Identifier: Apache-2.0
// Writes MessagePack, as much of it as the forward protocol needs.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace berth::runtime {

class MessagePack {
 public:
  void array(std::size_t size) { header(size, 0x90, 0xdc); }
  void map(std::size_t size) { header(size, 0x80, 0xde); }
  void text(std::string_view value) {
    if (value.size() < 32) {
      byte(0xa0 | value.size());
    } else if (value.size() < 0x100) {
      byte(0xd9);
      big_endian(value.size(), 1);
    } else if (value.size() < 0x10000) {
      byte(0xda);
      big_endian(value.size(), 2);
    } else {
      byte(0xdb);
      big_endian(value.size(), 4);
    }
    bytes_ += value;
  }
  void number(std::uint64_t value) {
    if (value < 0x80) return byte(value);
    byte(0xcf);
    big_endian(value, 8);
  }
  // The forward protocol's own type for times finer than a second.
  void event_time(std::int64_t time_ns) {
    byte(0xd7);
    byte(0);
    big_endian(static_cast<std::uint64_t>(time_ns / 1'000'000'000), 4);
    big_endian(static_cast<std::uint64_t>(time_ns % 1'000'000'000), 4);
  }
  void raw(std::string_view packed) { bytes_ += packed; }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::string take() { return std::exchange(bytes_, {}); }

 private:
  void byte(std::uint64_t value) { bytes_ += static_cast<char>(static_cast<unsigned char>(value)); }
  void big_endian(std::uint64_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) byte(value >> shift & 0xff);
  }
  // Of a collection: short, of 16 bits, or (by the next code) of 32.
  void header(std::size_t size, unsigned brief, unsigned medium) {
    if (size < 16) return byte(brief | size);
    byte(size < 0x10000 ? medium : medium + 1);
    big_endian(size, size < 0x10000 ? 2 : 4);
  }
  std::string bytes_;
};

}  // namespace berth::runtime
