// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/subnet.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace berth::runtime {

std::optional<std::uint32_t> parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string print_address(std::uint32_t address) {
  const in_addr in{htonl(address)};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &in, text, sizeof text);
}

std::optional<Subnet> Subnet::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = parse_address(std::string(text.substr(0, slash)));
  unsigned prefix = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, prefix);
  if (!base || error != std::errc() || rest != end || prefix < 8 || prefix > 29)
    return std::nullopt;
  const Subnet subnet{*base, prefix};
  if ((subnet.base & ~subnet.mask()) != 0) return std::nullopt;
  return subnet;
}

std::string Subnet::print() const {
  return print_address(base) + "/" + std::to_string(prefix);
}

std::optional<std::uint32_t> AddressPool::take() {
  const std::uint32_t first = subnet_.base + 2;
  const std::uint32_t last =
      (subnet_.base | ~subnet_.mask()) - 1;  // the last of all is the broadcast
  for (std::uint32_t tried = 0; tried <= last - first; ++tried) {
    const std::uint32_t address = next_;
    next_ = next_ >= last ? first : next_ + 1;
    if (taken_.insert(address).second) return address;
  }
  return std::nullopt;
}

bool AddressPool::take(std::uint32_t address) {
  const std::uint32_t last = (subnet_.base | ~subnet_.mask()) - 1;
  if (address < subnet_.base + 2 || address > last || !taken_.insert(address).second) return false;
  if (address >= next_) next_ = address >= last ? subnet_.base + 2 : address + 1;
  return true;
}

}  // namespace berth::runtime
