// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config_networks.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "core/daemon/config_section.hpp"
#include "core/model/arn.hpp"

namespace berth::daemon {
namespace {

constexpr unsigned kWidest = 8;
constexpr unsigned kNarrowest = 28;  // as AWS's: 11 addresses
constexpr std::int64_t kMaxPort = 65535;

// Calls, for each member, what reads it: says what is wrong with it, or nothing.
using Readers = std::map<std::string, std::function<std::string(const toml::node&)>>;

Refusal read_table(std::string_view file, const toml::node& node, const std::string& key,
                   const Readers& readers) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return refuse(file, node, key, "must be a table");
  for (const auto& [name, member] : *table) {
    const std::string path = key + "." + std::string(name.str());
    const auto reader = readers.find(std::string(name.str()));
    if (reader == readers.end()) return refuse(file, member, path, "unknown key");
    if (const std::string why = reader->second(member); !why.empty()) {
      return refuse(file, member, path, why);
    }
  }
  return {};
}

auto text(std::string& out) {
  return [&out](const toml::node& node) -> std::string {
    const auto value = node.value_exact<std::string>();
    if (!value || value->empty()) return "must be a string";
    out = *value;
    return {};
  };
}

auto range(AddressRange& out, unsigned widest, unsigned narrowest) {
  return [&out, widest, narrowest](const toml::node& node) -> std::string {
    const auto value = AddressRange::parse(node.value_exact<std::string>().value_or(""));
    if (!value || value->prefix < widest || value->prefix > narrowest) {
      return "must be a range of IPv4 addresses, \"10.0.0.0/16\", with /" + std::to_string(widest) +
             " to /" + std::to_string(narrowest) + " and no bits of a host";
    }
    out = *value;
    return {};
  };
}

auto port(std::optional<std::uint32_t>& out) {
  return [&out](const toml::node& node) -> std::string {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < 1 || *value > kMaxPort) return "must be a port from 1 to 65535";
    out = static_cast<std::uint32_t>(*value);
    return {};
  };
}

struct Rule {
  v1::SecurityRule made;
  std::optional<std::uint32_t> from;
  std::optional<std::uint32_t> to;
  std::string cidr;
  std::string group;
  bool self = false;
};

Refusal read_rule(std::string_view file, const toml::node& node, const std::string& key,
                  const std::string& own_group, v1::SecurityRule& out) {
  Rule rule;
  std::string protocol = "-1";
  const Readers readers{{"protocol",
                         [&](const toml::node& value) -> std::string {
                           static const std::set<std::string> kKnown{"tcp", "udp", "icmp", "-1"};
                           protocol = value.value_exact<std::string>().value_or("");
                           return kKnown.contains(protocol)
                                      ? ""
                                      : "must be \"tcp\", \"udp\", \"icmp\" or \"-1\" (any)";
                         }},
                        {"from_port", port(rule.from)},
                        {"to_port", port(rule.to)},
                        {"cidr",
                         [&](const toml::node& value) -> std::string {
                           AddressRange parsed;
                           auto why = range(parsed, 0, 32)(value);
                           rule.cidr = parsed.str();
                           return why;
                         }},
                        {"group", text(rule.group)},
                        {"self", [&](const toml::node& value) -> std::string {
                           const auto flag = value.value_exact<bool>();
                           if (!flag) return "must be true or false";
                           rule.self = *flag;
                           return {};
                         }}};
  if (auto refusal = read_table(file, node, key, readers)) return refusal;
  if (rule.self) {
    if (!rule.group.empty()) return refuse(file, node, key, "self and group: give one of them");
    rule.group = own_group;
  }
  if (rule.cidr.empty() == rule.group.empty()) {
    return refuse(file, node, key, "needs one of cidr, group and self = true");
  }
  const bool has_ports = protocol == "tcp" || protocol == "udp";
  if (rule.from.has_value() != rule.to.has_value()) {
    return refuse(file, node, key, "from_port and to_port belong together");
  }
  if (rule.from && !has_ports) return refuse(file, node, key, "only tcp and udp have ports");
  if (rule.from && *rule.from > *rule.to)
    return refuse(file, node, key, "from_port is after to_port");
  out.set_protocol(protocol);
  out.set_from_port(rule.from.value_or(0));
  out.set_to_port(rule.to.value_or(0));
  out.set_cidr(rule.cidr);
  out.set_group(rule.group);
  return {};
}

Refusal read_rules(std::string_view file, const toml::node& node, const std::string& key,
                   const std::string& own_group,
                   google::protobuf::RepeatedPtrField<v1::SecurityRule>& out) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return refuse(file, node, key, "must be a list of rules");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string place = key + "[" + std::to_string(i) + "]";
    if (auto refusal = read_rule(file, *list->get(i), place, own_group, *out.Add())) return refusal;
  }
  return {};
}

// `id` first: rules may name their own group.
Refusal read_group(std::string_view file, const toml::node& node, v1::SecurityGroup& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return refuse(file, node, "security_group", "must be a table");
  out.set_id((*table)["id"].value_or(std::string()));
  if (out.id().empty() || !is_valid_name(out.id())) {
    return refuse(file, node, "security_group.id",
                  "must be a string of letters, digits, '_' and '-': \"sg-web\"");
  }
  Refusal inner;
  const auto rules = [&](const char* member, auto* list) {
    return [&inner, &out, file, member, list](const toml::node& value) -> std::string {
      inner = read_rules(file, value, std::string("security_group.") + member, out.id(), *list);
      return {};
    };
  };
  bool has_egress = false;
  const Readers readers{{"id", [](const toml::node&) { return std::string(); }},
                        {"ingress", rules("ingress", out.mutable_ingress())},
                        {"egress", [&](const toml::node& value) {
                           has_egress = true;
                           return rules("egress", out.mutable_egress())(value);
                         }}};
  for (const auto& [name, member] : *table) {
    const auto reader = readers.find(std::string(name.str()));
    if (reader == readers.end()) {
      return refuse(file, member, "security_group." + std::string(name.str()), "unknown key");
    }
    reader->second(member);
    if (inner) return inner;
  }
  // As AWS makes groups: all may go out where nothing else is said.
  if (!has_egress) *out.mutable_egress() = default_group().egress();
  return {};
}

}  // namespace

std::optional<Error> read_subnets(std::string_view file, const toml::node& node,
                                  NetworkSettings& out) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return refuse(file, node, "subnet", "must be a list of tables: [[subnet]]");
  for (const auto& item : *list) {
    SubnetConfig subnet;
    const Readers readers{{"id", text(subnet.id)},
                          {"cidr", range(subnet.range, kWidest, kNarrowest)},
                          {"zone", text(subnet.zone)}};
    if (auto refusal = read_table(file, item, "subnet", readers)) return refusal;
    if (!is_valid_name(subnet.id)) {
      return refuse(file, item, "subnet.id",
                    "must be a string of letters, digits, '_' and '-': \"subnet-a\"");
    }
    if (subnet.range.prefix == 0) return refuse(file, item, "subnet.cidr", "is missing");
    for (const SubnetConfig& other : out.subnets) {
      if (other.id == subnet.id) {
        return refuse(file, item, "subnet.id", "'" + subnet.id + "' stands there twice");
      }
      if (other.range.overlaps(subnet.range)) {
        return refuse(file, item, "subnet.cidr",
                      subnet.range.str() + " overlaps that of '" + other.id + "'");
      }
    }
    out.subnets.push_back(std::move(subnet));
  }
  return {};
}

std::optional<Error> read_groups(std::string_view file, const toml::node& node,
                                 NetworkSettings& out) {
  const toml::array* list = node.as_array();
  if (list == nullptr) {
    return refuse(file, node, "security_group", "must be a list of tables: [[security_group]]");
  }
  std::set<std::string> known{std::string(kDefaultGroup)};
  std::set<std::string> own;
  for (const auto& item : *list) {
    v1::SecurityGroup group;
    if (auto refusal = read_group(file, item, group)) return refusal;
    if (!own.insert(group.id()).second) {
      return refuse(file, item, "security_group.id", "'" + group.id() + "' stands there twice");
    }
    known.insert(group.id());
    out.groups.push_back(std::move(group));
  }
  for (const v1::SecurityGroup& group : out.groups) {
    for (const auto* rules : {&group.ingress(), &group.egress()}) {
      for (const v1::SecurityRule& rule : *rules) {
        if (rule.group().empty() || known.contains(rule.group())) continue;
        return refuse(file, node, "security_group." + group.id(),
                      "a rule names the group '" + rule.group() + "', which is nowhere");
      }
    }
  }
  return {};
}

}  // namespace berth::daemon
