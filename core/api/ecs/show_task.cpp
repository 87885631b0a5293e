// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kZone = "ecs.availability-zone";
constexpr std::string_view kArchitecture = "ecs.cpu-architecture";

void set_time(ecs::Timestamp* into, Instant at) {
  into->set_ms(at.time_since_epoch().count());
}

const ecs::Attribute* find_attribute(const TaskView& view, std::string_view name) {
  if (view.instance == nullptr) return nullptr;
  const auto& attributes = view.instance->node.attributes();
  const auto it = std::ranges::find(attributes, name, &ecs::Attribute::name);
  return it == attributes.end() ? nullptr : &*it;
}

const v1::ContainerReport* find_report(const Task& task, const std::string& container) {
  if (task.report == nullptr) return nullptr;
  const auto& reports = task.report->containers();
  const auto it = std::ranges::find(reports, container, &v1::ContainerReport::name);
  return it == reports.end() ? nullptr : &*it;
}

const ecs::ContainerOverride* find_override(const Task& task, const std::string& container) {
  const auto& overrides = task.launch->overrides.container_overrides();
  const auto it = std::ranges::find(overrides, container, &ecs::ContainerOverride::name);
  return it == overrides.end() ? nullptr : &*it;
}

void show_report(const v1::ContainerReport& report, ecs::Container& shown) {
  if (!report.last_status().empty()) shown.set_last_status(report.last_status());
  if (report.has_exit_code()) shown.set_exit_code(report.exit_code());
  if (!report.reason().empty()) shown.set_reason(report.reason());
  if (!report.runtime_id().empty()) shown.set_runtime_id(report.runtime_id());
  if (!report.image_digest().empty()) shown.set_image_digest(report.image_digest());
  if (!report.health_status().empty()) shown.set_health_status(report.health_status());
  *shown.mutable_network_bindings() = report.network_bindings();
  *shown.mutable_network_interfaces() = report.network_interfaces();
  *shown.mutable_managed_agents() = report.managed_agents();
}

// As far as the interface has come, in ECS's words.
std::string attachment_status(const Task& task) {
  switch (task.last_status) {
    case TaskStatus::Provisioning:
      return "PRECREATED";
    case TaskStatus::Pending:
      return "ATTACHING";
    case TaskStatus::Deprovisioning:
      return "DETACHING";
    case TaskStatus::Stopped:
      return "DELETED";
    default:
      return "ATTACHED";
  }
}

void show_interface(const Task& task, ecs::Task& shown) {
  const auto& interface = task.launch->task_interface;
  if (!interface) return;
  ecs::Attachment& attachment = *shown.add_attachments();
  attachment.set_id(interface->attachment_id());
  attachment.set_type("ElasticNetworkInterface");
  attachment.set_status(attachment_status(task));
  const auto detail = [&](const char* name, const std::string& value) {
    ecs::KeyValuePair& pair = *attachment.add_details();
    pair.set_name(name);
    pair.set_value(value);
  };
  detail("subnetId", interface->subnet_id());
  detail("networkInterfaceId", interface->interface_id());
  detail("macAddress", interface->mac_address());
  detail("privateDnsName", interface->private_dns_name());
  detail("privateIPv4Address", interface->address());
  for (ecs::Container& container : *shown.mutable_containers()) {
    ecs::NetworkInterface& one = *container.add_network_interfaces();
    one.set_attachment_id(interface->attachment_id());
    one.set_private_ipv4_address(interface->address());
  }
}

ecs::Container show_container(const Task& task, int index, const Realm& realm,
                              const std::string& task_arn) {
  const auto& definition = task.definition->message.container_definitions(index);
  const Launch& launch = *task.launch;
  ecs::Container shown;
  const auto at = static_cast<std::size_t>(index);
  if (at < launch.container_ids.size()) {
    shown.set_container_arn(realm.container_arn(task.cluster, task.id, launch.container_ids[at]));
  }
  shown.set_task_arn(task_arn);
  shown.set_name(definition.name());
  shown.set_image(definition.image());
  shown.set_last_status(task.last_status == TaskStatus::Stopped ? "STOPPED" : "PENDING");
  shown.set_health_status("UNKNOWN");
  if (const auto* report = find_report(task, definition.name())) show_report(*report, shown);
  // Amounts are strings here; overrides replace the definition's.
  const auto* over = find_override(task, definition.name());
  const auto amount = [](bool overridden, int value, int otherwise) {
    return std::to_string(overridden ? value : otherwise);
  };
  const ecs::ContainerOverride none;
  const ecs::ContainerOverride& o = over != nullptr ? *over : none;
  shown.set_cpu(amount(o.has_cpu(), o.cpu(), definition.cpu()));
  if (o.has_memory() || definition.has_memory()) {
    shown.set_memory(amount(o.has_memory(), o.memory(), definition.memory()));
  }
  if (o.has_memory_reservation() || definition.has_memory_reservation()) {
    shown.set_memory_reservation(amount(o.has_memory_reservation(), o.memory_reservation(),
                                        definition.memory_reservation()));
  }
  for (const auto& grant : launch.allocation.devices()) {
    if (grant.container() == definition.name()) shown.add_gpu_ids(grant.device_id());
  }
  return shown;
}

// ECS names every container of the task there, also those that nothing overrides.
void show_overrides(const Task& task, ecs::TaskOverride& shown) {
  shown = task.launch->overrides;
  for (const auto& container : task.definition->message.container_definitions()) {
    if (find_override(task, container.name()) == nullptr) {
      shown.add_container_overrides()->set_name(container.name());
    }
  }
}

void show_size(const Task& task, ecs::Task& shown) {
  const auto& definition = task.definition->message;
  const Launch& launch = *task.launch;
  const auto size = [](const std::string& override_value, const std::string& value,
                       std::int64_t reserved) {
    if (!override_value.empty()) return override_value;
    return value.empty() ? std::to_string(reserved) : value;
  };
  shown.set_cpu(size(launch.overrides.cpu(), definition.cpu(), launch.requirement.cpu()));
  shown.set_memory(
      size(launch.overrides.memory(), definition.memory(), launch.requirement.memory_mib()));
  if (launch.overrides.has_ephemeral_storage()) {
    *shown.mutable_ephemeral_storage() = launch.overrides.ephemeral_storage();
  } else if (definition.has_ephemeral_storage()) {
    *shown.mutable_ephemeral_storage() = definition.ephemeral_storage();
  }
}

void show_times(const Task& task, ecs::Task& shown) {
  set_time(shown.mutable_created_at(), task.launch->created_at);
  if (task.started_at) set_time(shown.mutable_started_at(), *task.started_at);
  if (task.stopping_at) set_time(shown.mutable_stopping_at(), *task.stopping_at);
  if (task.stopped_at) set_time(shown.mutable_stopped_at(), *task.stopped_at);
  if (task.connectivity_at) set_time(shown.mutable_connectivity_at(), *task.connectivity_at);
  if (task.report == nullptr) return;
  const v1::TaskReport& report = *task.report;
  if (report.has_pull_started_at()) *shown.mutable_pull_started_at() = report.pull_started_at();
  if (report.has_pull_stopped_at()) *shown.mutable_pull_stopped_at() = report.pull_stopped_at();
  if (report.has_execution_stopped_at()) {
    *shown.mutable_execution_stopped_at() = report.execution_stopped_at();
  }
}

void show_place(const TaskView& view, const Realm& realm, ecs::Task& shown) {
  const Task& task = *view.task;
  if (view.instance != nullptr) {
    shown.set_container_instance_arn(realm.container_instance_arn(task.cluster, task.node));
    shown.set_connectivity(view.instance->node.connected() ? "CONNECTED" : "DISCONNECTED");
  } else if (task.connectivity_at) {
    shown.set_connectivity("CONNECTED");
  }
  if (const auto* architecture = find_attribute(view, kArchitecture)) {
    auto& attribute = *shown.add_attributes();
    attribute.set_name(architecture->name());
    attribute.set_value(architecture->value());
  }
  if (task.report != nullptr && !task.report->availability_zone().empty()) {
    shown.set_availability_zone(task.report->availability_zone());
  } else if (!task.launch->availability_zone.empty()) {
    shown.set_availability_zone(task.launch->availability_zone);
  } else if (const auto* zone = find_attribute(view, kZone)) {
    shown.set_availability_zone(zone->value());
  }
}

void show_launch(const Launch& launch, ecs::Task& shown) {
  if (!launch.launch_type.empty()) shown.set_launch_type(launch.launch_type);
  if (!launch.capacity_provider.empty()) shown.set_capacity_provider_name(launch.capacity_provider);
  if (!launch.platform_version.empty()) shown.set_platform_version(launch.platform_version);
  if (!launch.platform_family.empty()) shown.set_platform_family(launch.platform_family);
  if (!launch.group.empty()) shown.set_group(launch.group);
  if (!launch.started_by.empty()) shown.set_started_by(launch.started_by);
  shown.set_enable_execute_command(launch.enable_execute_command);
}

}  // namespace

TaskView task_view(const control::State& state, TaskPtr task) {
  auto instance = state.instance(task->node);
  return {std::move(task), std::move(instance)};
}

ecs::Task show_task(const TaskView& view, const Realm& realm, Tags tags) {
  const Task& task = *view.task;
  ecs::Task shown;
  shown.set_task_arn(realm.task_arn(task.cluster, task.id));
  shown.set_cluster_arn(realm.cluster_arn(task.cluster));
  shown.set_task_definition_arn(realm.task_definition_arn(task.definition->id));
  shown.set_last_status(std::string(to_string(task.last_status)));
  shown.set_desired_status(std::string(to_string(task.desired_status)));
  shown.set_version(task.version);
  shown.set_health_status("UNKNOWN");
  if (task.report != nullptr) {
    *shown.mutable_attachments() = task.report->attachments();
    if (!task.report->health_status().empty()) {
      shown.set_health_status(task.report->health_status());
    }
  }
  if (task.stop_code) shown.set_stop_code(std::string(to_string(*task.stop_code)));
  if (!task.stopped_reason.empty()) shown.set_stopped_reason(task.stopped_reason);
  show_launch(*task.launch, shown);
  show_place(view, realm, shown);
  show_size(task, shown);
  show_times(task, shown);
  show_overrides(task, *shown.mutable_overrides());
  for (int i = 0; i < task.definition->message.container_definitions_size(); ++i) {
    *shown.add_containers() = show_container(task, i, realm, shown.task_arn());
  }
  show_interface(task, shown);
  if (tags == Tags::Show) {
    for (const auto& tag : task.launch->tags) *shown.add_tags() = tag;
  }
  return shown;
}

}  // namespace berth::api
