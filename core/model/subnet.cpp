// SPDX-License-Identifier: Apache-2.0
#include "core/model/subnet.hpp"

#include <charconv>

namespace berth {

// Four numbers and three dots; no leading zeros, which some take for octal.
std::optional<std::uint32_t> parse_address(std::string_view text) {
  std::uint32_t address = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    unsigned part = 0;
    const auto [rest, error] = std::from_chars(at, end, part);
    if (error != std::errc() || part > 255 || (rest - at > 1 && *at == '0')) return std::nullopt;
    address = address << 8 | part;
    at = rest;
  }
  if (at != end) return std::nullopt;
  return address;
}

std::string address_text(std::uint32_t address) {
  std::string text = std::to_string(address >> 24);
  for (const unsigned shift : {16u, 8u, 0u}) {
    text += "." + std::to_string((address >> shift) & 0xff);
  }
  return text;
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = parse_address(text.substr(0, slash));
  unsigned prefix = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, prefix);
  if (!base || error != std::errc() || rest != end || prefix > 32) return std::nullopt;
  const AddressRange range{*base, prefix};
  if ((range.base & ~range.mask()) != 0) return std::nullopt;
  return range;
}

std::string AddressRange::str() const {
  return address_text(base) + "/" + std::to_string(prefix);
}

v1::SecurityGroup default_group() {
  v1::SecurityGroup group;
  group.set_id(std::string(kDefaultGroup));
  v1::SecurityRule* in = group.add_ingress();
  in->set_protocol("-1");
  in->set_group(std::string(kDefaultGroup));
  v1::SecurityRule* out = group.add_egress();
  out->set_protocol("-1");
  out->set_cidr("0.0.0.0/0");
  return group;
}

}  // namespace berth
