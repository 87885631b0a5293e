// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/interface_of.hpp"

#include <utility>

namespace berth::runtime {
namespace {

sdk::Result<std::vector<SecurityRule>> rules_of(
    const google::protobuf::RepeatedPtrField<v1::SecurityRule>& rules) {
  std::vector<SecurityRule> out;
  for (const v1::SecurityRule& rule : rules) {
    if (rule.from_port() > 65535 || rule.to_port() > 65535) {
      return sdk::fail(BERTH_INVALID, "A port is a number from 1 to 65535.",
                       "task_interface.groups");
    }
    out.push_back({.protocol = rule.protocol(),
                   .from_port = static_cast<std::uint16_t>(rule.from_port()),
                   .to_port = static_cast<std::uint16_t>(rule.to_port()),
                   .cidr = rule.cidr(),
                   .group = rule.group()});
  }
  return out;
}

}  // namespace

sdk::Result<TaskInterface> interface_of(const v1::StartTaskRequest& task) {
  if (!task.has_task_interface()) {
    return sdk::fail(BERTH_INVALID, "A task with the network mode awsvpc needs an interface.",
                     "task_interface");
  }
  const v1::TaskInterface& in = task.task_interface();
  TaskInterface out{.id = task.task_id(),
                    .address = in.address(),
                    .prefix_length = in.prefix_length(),
                    .gateway = in.gateway(),
                    .mac = in.mac_address(),
                    .groups = {},
                    .network_cidrs = {in.network_cidrs().begin(), in.network_cidrs().end()}};
  for (const v1::SecurityGroup& group : in.groups()) {
    auto ingress = rules_of(group.ingress());
    if (!ingress) return ingress.error();
    auto egress = rules_of(group.egress());
    if (!egress) return egress.error();
    out.groups.push_back(
        {.id = group.id(), .ingress = std::move(*ingress), .egress = std::move(*egress)});
  }
  if (auto checked = check_interface(out); !checked) return checked.error();
  return out;
}

}  // namespace berth::runtime
