// SPDX-License-Identifier: Apache-2.0
// An IPv4 subnet, and which of its addresses are given out.
//
// Threads: one at a time. Addresses are in host byte order.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace berth::runtime {

struct Subnet {
  std::uint32_t base = 0;
  unsigned prefix = 0;

  // "172.30.0.0/16"; host bits must be zero, 8 to 29 bits of prefix.
  static std::optional<Subnet> parse(std::string_view text);
  [[nodiscard]] std::string print() const;
  [[nodiscard]] std::uint32_t mask() const { return ~std::uint32_t{0} << (32 - prefix); }
  [[nodiscard]] bool contains(std::uint32_t address) const { return (address & mask()) == base; }
  [[nodiscard]] bool overlaps(const Subnet& other) const {
    return contains(other.base) || other.contains(base);
  }
  // The bridge's own address: the first.
  [[nodiscard]] std::uint32_t gateway() const { return base + 1; }
};

[[nodiscard]] std::string print_address(std::uint32_t address);
[[nodiscard]] std::optional<std::uint32_t> parse_address(const std::string& text);

// Gives addresses out in turn, so that one that was just given back is the last to come again:
// neighbours may still remember it.
class AddressPool {
 public:
  explicit AddressPool(Subnet subnet) : subnet_(subnet), next_(subnet.base + 2) {}

  [[nodiscard]] std::optional<std::uint32_t> take();
  // False where it is taken or not one of these.
  bool take(std::uint32_t address);
  void give_back(std::uint32_t address) { taken_.erase(address); }

 private:
  Subnet subnet_;
  std::uint32_t next_;
  std::set<std::uint32_t> taken_;
};

}  // namespace berth::runtime
