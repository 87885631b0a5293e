// SPDX-License-Identifier: Apache-2.0
// Security groups as nftables text: one chain a group and direction, one set of addresses a group
// that rules name.
//
// Pure. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "sdk/runtime/network/task_interface.hpp"

namespace berth::runtime {

enum class Direction { Ingress, Egress };

// The set with the addresses of a group's members.
[[nodiscard]] std::string member_set(const std::string& group);

// The chain that accepts what a group allows. Its name says the rules too: tasks may have been
// started with different rules under one id.
[[nodiscard]] std::string group_chain(const SecurityGroup& group, Direction direction);

// Lines "    ... accept\n", one a rule.
[[nodiscard]] std::string group_chain_rules(const SecurityGroup& group, Direction direction);

// The groups that these rules name as the other side, in order, once each.
[[nodiscard]] std::vector<std::string> groups_named(const SecurityGroup& group);

// The chain of a task's interface in one direction: what it may not do, what is answered, its
// groups, and nothing else.
[[nodiscard]] std::string task_chain(const std::string& task, Direction direction);
[[nodiscard]] std::string task_chain_rules(const TaskInterface& interface, Direction direction);

}  // namespace berth::runtime
