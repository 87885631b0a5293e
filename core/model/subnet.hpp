// SPDX-License-Identifier: Apache-2.0
// The networks of tasks, as the operator configures them: subnets and security groups.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "berth/v1/launch.pb.h"

namespace berth {

// A range of IPv4 addresses, in host byte order.
struct AddressRange {
  std::uint32_t base = 0;
  unsigned prefix = 0;  // bits, 0 to 32

  // "10.0.0.0/16"; bits of hosts must be zero.
  static std::optional<AddressRange> parse(std::string_view text);
  [[nodiscard]] std::string str() const;
  [[nodiscard]] std::uint32_t mask() const {
    return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
  }
  [[nodiscard]] std::uint32_t last() const { return base | ~mask(); }
  [[nodiscard]] bool contains(std::uint32_t address) const { return (address & mask()) == base; }
  [[nodiscard]] bool overlaps(const AddressRange& other) const {
    return contains(other.base) || other.contains(base);
  }
  bool operator==(const AddressRange&) const = default;
};

[[nodiscard]] std::optional<std::uint32_t> parse_address(std::string_view text);
[[nodiscard]] std::string address_text(std::uint32_t address);

struct SubnetConfig {
  std::string id;  // "subnet-default"
  AddressRange range;
  std::string zone;  // of the container instances that may use it
};

struct NetworkSettings {
  std::vector<SubnetConfig> subnets;      // no two overlap; ids differ
  std::vector<v1::SecurityGroup> groups;  // ids differ; groups that rules name are among them
};

// What AWS calls the default group of a network: used where a call names none.
inline constexpr std::string_view kDefaultGroup = "sg-default";
inline constexpr std::string_view kDefaultSubnet = "subnet-default";

// Lets in all that comes from its members, lets out everything.
[[nodiscard]] v1::SecurityGroup default_group();

}  // namespace berth
