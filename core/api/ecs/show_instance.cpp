// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <set>

#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

std::string_view status_name(InstanceStatus status) {
  switch (status) {
    case InstanceStatus::Active:
      return "ACTIVE";
    case InstanceStatus::Draining:
      return "DRAINING";
    case InstanceStatus::Inactive:
      return "INACTIVE";
  }
  return "INACTIVE";
}

model::Resource resource(const std::string& name, const char* type) {
  model::Resource shown;
  shown.set_name(name);
  shown.set_type(type);
  shown.set_double_value(0);
  shown.set_long_value(0);
  shown.set_integer_value(0);
  return shown;
}

model::Resource amount(const std::string& name, std::int64_t value) {
  const bool fits = value <= std::numeric_limits<std::int32_t>::max() &&
                    value >= std::numeric_limits<std::int32_t>::min();
  model::Resource shown = resource(name, fits ? "INTEGER" : "LONG");
  if (fits) {
    shown.set_integer_value(static_cast<std::int32_t>(value));
  } else {
    shown.set_long_value(value);
  }
  return shown;
}

// What tasks hold of a counter or pool.
std::int64_t held(const v1::Requirement& reserved, const std::string& name) {
  if (name == "CPU") return reserved.cpu();
  if (name == "MEMORY") return reserved.memory_mib();
  if (name == "ENI") return reserved.eni_slots();
  std::int64_t sum = 0;
  for (const auto& each : reserved.amounts()) {
    if (each.name() == name) sum += each.value();
  }
  return sum;
}

// Ports: those that are in use, first what the node holds back. ECS shows the same list in both
// places but for the tasks' own.
void show_ports(const v1::Resource& offered, const InstanceView& view,
                model::ContainerInstance& shown) {
  model::Resource registered = resource(offered.name(), "STRINGSET");
  for (const std::string& port : offered.exclusive_set().reserved()) {
    registered.add_string_set_value(port);
  }
  model::Resource remaining = registered;
  const auto protocol =
      offered.name() == "PORTS_UDP" ? v1::Port::PROTOCOL_UDP : v1::Port::PROTOCOL_TCP;
  std::set<std::uint32_t> used;
  for (const auto& port : view.reserved.ports()) {
    if (port.protocol() == protocol) used.insert(port.number());
  }
  for (const std::uint32_t port : used) remaining.add_string_set_value(std::to_string(port));
  *shown.add_registered_resources() = std::move(registered);
  *shown.add_remaining_resources() = std::move(remaining);
}

void show_devices(const v1::Resource& offered, const InstanceView& view,
                  model::ContainerInstance& shown) {
  model::Resource registered = resource(offered.name(), "STRINGSET");
  model::Resource remaining = registered;
  for (const auto& device : offered.device_set().devices()) {
    registered.add_string_set_value(device.id());
    const bool in_use =
        std::ranges::find(view.devices_in_use, device.id()) != view.devices_in_use.end();
    if (!in_use) remaining.add_string_set_value(device.id());
  }
  *shown.add_registered_resources() = std::move(registered);
  *shown.add_remaining_resources() = std::move(remaining);
}

void show_resources(const InstanceView& view, model::ContainerInstance& shown) {
  for (const auto& offered : view.instance->node.resources()) {
    switch (offered.kind_case()) {
      case v1::Resource::kCounter:
      case v1::Resource::kSharedPool: {
        const std::int64_t total =
            offered.has_counter() ? offered.counter().total() : offered.shared_pool().total();
        *shown.add_registered_resources() = amount(offered.name(), total);
        *shown.add_remaining_resources() =
            amount(offered.name(), total - held(view.reserved, offered.name()));
        break;
      }
      case v1::Resource::kExclusiveSet:
        show_ports(offered, view, shown);
        break;
      case v1::Resource::kDeviceSet:
        show_devices(offered, view, shown);
        break;
      case v1::Resource::KIND_NOT_SET:
        break;
    }
  }
}

void show_version(const v1::Node& node, model::ContainerInstance& shown) {
  auto& version = *shown.mutable_version_info();
  if (!node.agent_version().empty()) version.set_agent_version(node.agent_version());
  if (!node.agent_hash().empty()) version.set_agent_hash(node.agent_hash());
  if (!node.runtime_version().empty()) version.set_docker_version(node.runtime_version());
}

}  // namespace

InstanceView instance_view(const control::State& state, ContainerInstancePtr instance) {
  InstanceView view;
  view.counts = state.counts_on(instance->id);
  view.reserved = state.reserved_on(instance->id);
  for (const TaskId& id : state.tasks_on(instance->id)) {
    const auto task = state.task(id);
    if (task == nullptr || task->last_status == TaskStatus::Stopped) continue;
    for (const auto& grant : task->launch->allocation.devices()) {
      view.devices_in_use.push_back(grant.device_id());
    }
  }
  view.instance = std::move(instance);
  return view;
}

std::vector<ecs::Attribute> attributes_of(const ContainerInstance& instance) {
  std::vector<ecs::Attribute> all;
  for (const auto& reported : instance.node.attributes()) {
    const bool covered = std::ranges::any_of(
        instance.custom_attributes, [&](const auto& put) { return put.name() == reported.name(); });
    if (!covered) all.push_back(reported);
  }
  all.insert(all.end(), instance.custom_attributes.begin(), instance.custom_attributes.end());
  return all;
}

model::ContainerInstance show_instance(const InstanceView& view, const Realm& realm,
                                       InstanceParts parts) {
  const ContainerInstance& instance = *view.instance;
  const v1::Node& node = instance.node;
  model::ContainerInstance shown;
  shown.set_container_instance_arn(realm.container_instance_arn(instance.cluster, instance.id));
  if (!node.ec2_instance_id().empty()) shown.set_ec2_instance_id(node.ec2_instance_id());
  if (!node.capacity_provider().empty()) shown.set_capacity_provider_name(node.capacity_provider());
  shown.set_version(instance.version);
  show_version(node, shown);
  show_resources(view, shown);
  shown.set_status(std::string(status_name(instance.status)));
  if (!instance.status_reason.empty()) shown.set_status_reason(instance.status_reason);
  shown.set_agent_connected(node.connected() && instance.status != InstanceStatus::Inactive);
  shown.set_running_tasks_count(view.counts.running);
  shown.set_pending_tasks_count(view.counts.pending);
  for (const auto& attribute : attributes_of(instance)) *shown.add_attributes() = attribute;
  shown.mutable_registered_at()->set_ms(instance.registered_at.time_since_epoch().count());
  if (parts.tags) {
    for (const auto& tag : instance.tags) *shown.add_tags() = tag;
  }
  if (parts.health) {
    shown.mutable_health_status()->set_overall_status(node.connected() ? "OK"
                                                                       : "INSUFFICIENT_DATA");
  }
  return shown;
}

}  // namespace berth::api
