// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/task_interface.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "sdk/runtime/network/subnet.hpp"

namespace berth::runtime {
namespace {

sdk::Error bad(const std::string& member, const std::string& value) {
  return sdk::fail(BERTH_INVALID, "task_interface: " + member + " cannot be '" + value + "'",
                   "task_interface." + member);
}

bool is_id(const std::string& text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// Any range, also 0.0.0.0/0 and single addresses.
bool is_range(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos || !parse_address(text.substr(0, slash))) return false;
  unsigned prefix = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, prefix);
  return error == std::errc() && rest == end && prefix <= 32;
}

bool is_rule(const SecurityRule& rule) {
  const bool known = rule.protocol == "tcp" || rule.protocol == "udp" || rule.protocol == "icmp" ||
                     rule.protocol == "-1";
  const bool other_side =
      rule.group.empty() ? is_range(rule.cidr) : rule.cidr.empty() && is_id(rule.group, 100);
  return known && other_side && rule.from_port <= rule.to_port;
}

// One line that stays within its chain; whether nftables takes it is for nftables to say.
bool is_rule_body(const std::string& rule) {
  constexpr std::size_t kMost = 512;
  int depth = 0;
  for (const char c : rule) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) return false;
    if (c == ';' || c == '#' || c == '\\') return false;
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (depth < 0) return false;
  }
  return !rule.empty() && rule.size() <= kMost && depth == 0;
}

}  // namespace

std::optional<MacAddress> parse_mac(const std::string& text) {
  MacAddress mac{};
  unsigned parts[6];
  int read = 0;
  if (text.size() != 17 ||
      std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &parts[0], &parts[1], &parts[2],
                  &parts[3], &parts[4], &parts[5], &read) != 6 ||
      read != 17) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < mac.size(); ++i) mac[i] = static_cast<unsigned char>(parts[i]);
  // An address of many is nobody's.
  if ((mac[0] & 1u) != 0) return std::nullopt;
  return mac;
}

sdk::Result<void> check_interface(const TaskInterface& interface) {
  if (!is_id(interface.id, 64)) return bad("id", interface.id);
  const auto address = parse_address(interface.address);
  if (!address) return bad("address", interface.address);
  if (interface.prefix_length < 8 || interface.prefix_length > 30) {
    return bad("prefix_length", std::to_string(interface.prefix_length));
  }
  const auto gateway = parse_address(interface.gateway);
  const std::uint32_t mask = ~std::uint32_t{0} << (32 - interface.prefix_length);
  if (!gateway || (*gateway & mask) != (*address & mask) || *gateway == *address) {
    return bad("gateway", interface.gateway);
  }
  if (!parse_mac(interface.mac)) return bad("mac_address", interface.mac);
  for (const std::string& cidr : interface.network_cidrs) {
    if (!is_range(cidr)) return bad("network_cidrs", cidr);
  }
  for (const SecurityGroup& group : interface.groups) {
    if (!is_id(group.id, 100)) return bad("groups.id", group.id);
    for (const auto* rules : {&group.ingress, &group.egress}) {
      for (const SecurityRule& rule : *rules) {
        if (!is_rule(rule))
          return bad("groups." + group.id, rule.protocol + " " + rule.cidr + rule.group);
      }
    }
  }
  constexpr std::size_t kMostRules = 64;
  for (const auto* rules : {&interface.ingress_rules, &interface.egress_rules}) {
    if (rules->size() > kMostRules) return bad("rules", std::to_string(rules->size()) + " rules");
    for (const std::string& rule : *rules) {
      if (!is_rule_body(rule)) return bad("rules", rule);
    }
  }
  return {};
}

}  // namespace berth::runtime
