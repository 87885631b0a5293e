// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/group_rules.hpp"

#include <cstdio>
#include <set>

#include "sdk/runtime/network/sysctl.hpp"

namespace berth::runtime {
namespace {

// No two ids become one name.
std::string encoded(const std::string& id) {
  std::string out;
  for (const char c : id) {
    if (c == '-') {
      out += "_h";
    } else if (c == '_') {
      out += "__";
    } else {
      out += c;
    }
  }
  return out;
}

std::string ports(const SecurityRule& rule) {
  if (rule.protocol == "-1") return {};
  if (rule.from_port == 0) return "meta l4proto " + rule.protocol + " ";
  std::string text = rule.protocol + " dport " + std::to_string(rule.from_port);
  if (rule.to_port != rule.from_port) text += "-" + std::to_string(rule.to_port);
  return text + " ";
}

std::string other_side(const SecurityRule& rule, Direction direction) {
  const std::string member = direction == Direction::Ingress ? "ip saddr " : "ip daddr ";
  if (!rule.group.empty()) return member + "@" + member_set(rule.group) + " ";
  if (rule.cidr.ends_with("/0")) return {};
  return member + rule.cidr + " ";
}

const std::vector<SecurityRule>& rules_of(const SecurityGroup& group, Direction direction) {
  return direction == Direction::Ingress ? group.ingress : group.egress;
}

}  // namespace

std::string member_set(const std::string& group) {
  return "of_" + encoded(group);
}

std::string group_chain(const SecurityGroup& group, Direction direction) {
  char mark[9];
  std::snprintf(mark, sizeof mark, "%08x", mark_of(group_chain_rules(group, direction)));
  return (direction == Direction::Ingress ? "to_" : "from_") + encoded(group.id) + "_r" + mark;
}

std::string group_chain_rules(const SecurityGroup& group, Direction direction) {
  std::string text;
  for (const SecurityRule& rule : rules_of(group, direction)) {
    text += "    " + other_side(rule, direction) + ports(rule) + "accept\n";
  }
  return text;
}

std::vector<std::string> groups_named(const SecurityGroup& group) {
  std::set<std::string> names;
  for (const auto* rules : {&group.ingress, &group.egress}) {
    for (const SecurityRule& rule : *rules) {
      if (!rule.group.empty()) names.insert(rule.group);
    }
  }
  return {names.begin(), names.end()};
}

std::string task_chain(const std::string& task, Direction direction) {
  return (direction == Direction::Ingress ? "task_in_" : "task_out_") + task;
}

std::string task_chain_rules(const TaskInterface& interface, Direction direction) {
  std::string text;
  if (direction == Direction::Egress) {
    text += "    ip saddr != " + interface.address + " drop\n";
    // The metadata of a task is served within its own namespace; nothing of that range is for
    // others.
    text += "    ip daddr 169.254.0.0/16 drop\n";
  }
  text += "    ct state established,related accept\n";
  const bool in = direction == Direction::Ingress;
  for (const std::string& rule : in ? interface.ingress_rules : interface.egress_rules) {
    text += "    " + rule + "\n";
  }
  std::set<std::string> chains;
  for (const SecurityGroup& group : interface.groups) chains.insert(group_chain(group, direction));
  for (const std::string& chain : chains) text += "    jump " + chain + "\n";
  return text + "    drop\n";
}

}  // namespace berth::runtime
