// SPDX-License-Identifier: Apache-2.0
#include "core/model/stored.hpp"

#include <cstdio>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "berth/model/stored.pb.h"

namespace berth {

std::string_view to_string(InstanceStatus status) {
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

}  // namespace berth

namespace berth::stored {
namespace {

tl::unexpected<Error> unreadable(const char* what) {
  return fail(Errc::Internal, std::string("a stored ") + what + " cannot be read", Subject::Store);
}

template <typename Message>
bool parse(Message& message, std::string_view bytes) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// Maps are written in the order of their keys, so that equal records are equal bytes.
template <typename Message>
std::string bytes_of(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::CodedOutputStream coded(&out);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

void write(ecs::Timestamp* to, Instant at) {
  to->set_ms(at.time_since_epoch().count());
}
Instant instant_of(const ecs::Timestamp& at) {
  return Instant(milliseconds(at.ms()));
}

template <typename T, typename Repeated>
void write_all(const std::vector<T>& from, Repeated* to) {
  to->Assign(from.begin(), from.end());
}

template <typename Repeated>
auto all_of(const Repeated& from) {
  return std::vector<typename Repeated::value_type>(from.begin(), from.end());
}

std::optional<InstanceStatus> instance_status_of(std::string_view text) {
  for (const auto status :
       {InstanceStatus::Active, InstanceStatus::Draining, InstanceStatus::Inactive}) {
    if (to_string(status) == text) return status;
  }
  return std::nullopt;
}

void write_launch(const Launch& launch, model::StoredTask& out) {
  out.set_launch_type(launch.launch_type);
  out.set_capacity_provider(launch.capacity_provider);
  out.set_availability_zone(launch.availability_zone);
  out.set_platform_version(launch.platform_version);
  out.set_platform_family(launch.platform_family);
  out.set_group(launch.group);
  out.set_started_by(launch.started_by);
  *out.mutable_overrides() = launch.overrides;
  if (launch.network_configuration) {
    *out.mutable_network_configuration() = *launch.network_configuration;
  }
  if (launch.task_interface) *out.mutable_task_interface() = *launch.task_interface;
  write_all(launch.tags, out.mutable_tags());
  out.set_enable_execute_command(launch.enable_execute_command);
  *out.mutable_requirement() = launch.requirement;
  *out.mutable_allocation() = launch.allocation;
  write_all(launch.container_ids, out.mutable_container_ids());
  out.set_client_token_key(launch.client_token_key);
  write(out.mutable_created_at(), launch.created_at);
  out.set_placed_by(launch.placed_by);
  write_all(launch.placement_constraints, out.mutable_placement_constraints());
  write_all(launch.placement_strategy, out.mutable_placement_strategy());
  out.set_service(launch.service.str());
  out.set_deployment(launch.deployment.str());
  out.mutable_pinned_digests()->insert(launch.pinned_digests.begin(), launch.pinned_digests.end());
}

Launch launch_of(const model::StoredTask& in) {
  Launch launch;
  launch.launch_type = in.launch_type();
  launch.capacity_provider = in.capacity_provider();
  launch.availability_zone = in.availability_zone();
  launch.platform_version = in.platform_version();
  launch.platform_family = in.platform_family();
  launch.group = in.group();
  launch.started_by = in.started_by();
  launch.overrides = in.overrides();
  if (in.has_network_configuration()) launch.network_configuration = in.network_configuration();
  if (in.has_task_interface()) launch.task_interface = in.task_interface();
  launch.tags = all_of(in.tags());
  launch.enable_execute_command = in.enable_execute_command();
  launch.requirement = in.requirement();
  launch.allocation = in.allocation();
  launch.container_ids = all_of(in.container_ids());
  launch.client_token_key = in.client_token_key();
  launch.created_at = instant_of(in.created_at());
  launch.placed_by = in.placed_by();
  launch.placement_constraints = all_of(in.placement_constraints());
  launch.placement_strategy = all_of(in.placement_strategy());
  launch.service = ServiceName(in.service());
  launch.deployment = DeploymentNumber(in.deployment());
  launch.pinned_digests.insert(in.pinned_digests().begin(), in.pinned_digests().end());
  return launch;
}

}  // namespace

std::string key_of(const DefinitionId& id) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%010d", id.revision);
  return id.family.str() + ":" + digits;
}

std::string key_of(const ServiceId& id) {
  return id.cluster.str() + "/" + id.name.str();
}

std::string key_of(const ServiceId& id, const DeploymentNumber& number) {
  return key_of(id) + "/" + number.str();
}

std::string encode(const Cluster& cluster) {
  model::StoredCluster out;
  out.set_name(cluster.name.str());
  out.set_active(cluster.active);
  write_all(cluster.settings, out.mutable_settings());
  if (cluster.configuration) *out.mutable_configuration() = *cluster.configuration;
  if (cluster.service_connect_defaults) {
    *out.mutable_service_connect_defaults() = *cluster.service_connect_defaults;
  }
  write_all(cluster.tags, out.mutable_tags());
  write_all(cluster.capacity_providers, out.mutable_capacity_providers());
  write_all(cluster.default_capacity_provider_strategy,
            out.mutable_default_capacity_provider_strategy());
  return bytes_of(out);
}

Result<Cluster> decode_cluster(std::string_view bytes) {
  model::StoredCluster in;
  if (!parse(in, bytes) || in.name().empty()) return unreadable("cluster");
  Cluster cluster;
  cluster.name = ClusterName(in.name());
  cluster.active = in.active();
  cluster.settings = all_of(in.settings());
  if (in.has_configuration()) cluster.configuration = in.configuration();
  if (in.has_service_connect_defaults()) {
    cluster.service_connect_defaults = in.service_connect_defaults();
  }
  cluster.tags = all_of(in.tags());
  cluster.capacity_providers = all_of(in.capacity_providers());
  cluster.default_capacity_provider_strategy = all_of(in.default_capacity_provider_strategy());
  return cluster;
}

std::string encode(const TaskDefinition& definition) {
  model::StoredDefinition out;
  *out.mutable_definition() = definition.message;
  write_all(definition.tags, out.mutable_tags());
  out.set_unknown_members_json(definition.unknown_members_json);
  return bytes_of(out);
}

Result<TaskDefinition> decode_definition(std::string_view bytes) {
  model::StoredDefinition in;
  if (!parse(in, bytes) || in.definition().family().empty() || in.definition().revision() < 1) {
    return unreadable("task definition");
  }
  TaskDefinition definition;
  definition.id = {FamilyName(in.definition().family()), in.definition().revision()};
  definition.message = in.definition();
  definition.tags = all_of(in.tags());
  definition.unknown_members_json = in.unknown_members_json();
  return definition;
}

std::string encode(const Task& task) {
  model::StoredTask out;
  out.set_id(task.id.str());
  out.set_cluster(task.cluster.str());
  out.set_family(task.definition->id.family.str());
  out.set_revision(task.definition->id.revision);
  out.set_plugin(task.plugin.str());
  out.set_node(task.node.str());
  out.set_last_status(static_cast<int>(task.last_status));
  out.set_desired_stopped(task.desired_status == DesiredStatus::Stopped);
  out.set_version(task.version);
  write_launch(*task.launch, out);
  if (task.report) {
    *out.mutable_report() = *task.report;
    out.mutable_report()->clear_pulls();
  }
  if (task.stop_code) out.set_stop_code(static_cast<int>(*task.stop_code));
  out.set_stopped_reason(task.stopped_reason);
  if (task.started_at) write(out.mutable_started_at(), *task.started_at);
  if (task.stopping_at) write(out.mutable_stopping_at(), *task.stopping_at);
  if (task.stopped_at) write(out.mutable_stopped_at(), *task.stopped_at);
  if (task.end_recorded_at) write(out.mutable_end_recorded_at(), *task.end_recorded_at);
  if (task.connectivity_at) write(out.mutable_connectivity_at(), *task.connectivity_at);
  out.set_start_acknowledged(task.start_acknowledged);
  out.set_forgotten(task.forgotten);
  if (task.protected_until) write(out.mutable_protected_until(), *task.protected_until);
  return bytes_of(out);
}

Result<Task> decode_task(std::string_view bytes,
                         const std::function<TaskDefinitionPtr(const DefinitionId&)>& definitions) {
  model::StoredTask in;
  if (!parse(in, bytes) || in.id().empty()) return unreadable("task");
  const auto status = task_status_of(in.last_status());
  if (!status) return unreadable("task (its status is unknown)");
  Task task;
  task.id = TaskId(in.id());
  task.cluster = ClusterName(in.cluster());
  task.definition = definitions({FamilyName(in.family()), in.revision()});
  if (!task.definition) return unreadable("task (its task definition is missing)");
  task.plugin = PluginName(in.plugin());
  task.node = NodeId(in.node());
  task.launch = std::make_shared<const Launch>(launch_of(in));
  task.last_status = *status;
  task.desired_status = in.desired_stopped() ? DesiredStatus::Stopped : DesiredStatus::Running;
  task.version = in.version();
  if (in.has_report()) task.report = std::make_shared<const v1::TaskReport>(in.report());
  task.stop_code = stop_code_of(in.stop_code());
  task.stopped_reason = in.stopped_reason();
  if (in.has_started_at()) task.started_at = instant_of(in.started_at());
  if (in.has_stopping_at()) task.stopping_at = instant_of(in.stopping_at());
  if (in.has_stopped_at()) task.stopped_at = instant_of(in.stopped_at());
  if (in.has_end_recorded_at()) task.end_recorded_at = instant_of(in.end_recorded_at());
  if (in.has_connectivity_at()) task.connectivity_at = instant_of(in.connectivity_at());
  task.start_acknowledged = in.start_acknowledged();
  task.forgotten = in.forgotten();
  if (in.has_protected_until()) task.protected_until = instant_of(in.protected_until());
  return task;
}

std::string encode(const ContainerInstance& instance) {
  model::StoredInstance out;
  out.set_id(instance.id.str());
  out.set_plugin(instance.plugin.str());
  *out.mutable_node() = instance.node;
  out.mutable_node()->set_cluster(instance.cluster.str());
  out.set_status(std::string(to_string(instance.status)));
  out.set_status_reason(instance.status_reason);
  out.set_version(instance.version);
  write_all(instance.custom_attributes, out.mutable_custom_attributes());
  write_all(instance.tags, out.mutable_tags());
  write(out.mutable_registered_at(), instance.registered_at);
  if (instance.inactive_since) write(out.mutable_inactive_since(), *instance.inactive_since);
  return bytes_of(out);
}

Result<ContainerInstance> decode_instance(std::string_view bytes) {
  model::StoredInstance in;
  if (!parse(in, bytes) || in.id().empty()) return unreadable("container instance");
  const auto status = instance_status_of(in.status());
  if (!status) return unreadable("container instance (its status is unknown)");
  ContainerInstance instance;
  instance.id = NodeId(in.id());
  instance.cluster = ClusterName(in.node().cluster());
  instance.plugin = PluginName(in.plugin());
  instance.status = *status;
  instance.status_reason = in.status_reason();
  instance.version = in.version();
  instance.node = in.node();
  instance.node.set_connected(false);
  instance.custom_attributes = all_of(in.custom_attributes());
  instance.tags = all_of(in.tags());
  instance.registered_at = instant_of(in.registered_at());
  if (in.has_inactive_since()) instance.inactive_since = instant_of(in.inactive_since());
  return instance;
}

std::string encode(const ClientToken& token) {
  model::StoredToken out;
  out.set_request_digest(token.request_digest);
  for (const TaskId& id : token.tasks) out.add_task_ids(id.str());
  write_all(token.failures, out.mutable_failures());
  write(out.mutable_made_at(), token.made_at);
  return bytes_of(out);
}

Result<ClientToken> decode_token(std::string_view key, std::string_view bytes) {
  model::StoredToken in;
  if (!parse(in, bytes)) return unreadable("client token");
  ClientToken token;
  token.key = std::string(key);
  token.request_digest = in.request_digest();
  for (const std::string& id : in.task_ids()) token.tasks.emplace_back(id);
  token.failures = all_of(in.failures());
  token.made_at = instant_of(in.made_at());
  return token;
}

std::string encode(const Service& service) {
  model::StoredService out = service.data;
  out.set_cluster(service.id.cluster.str());
  out.set_name(service.id.name.str());
  return bytes_of(out);
}

Result<Service> decode_service(std::string_view bytes) {
  Service service;
  model::StoredService& in = service.data;
  if (!parse(in, bytes) || in.cluster().empty() || in.name().empty()) return unreadable("service");
  if (in.status() != "ACTIVE" && in.status() != "DRAINING" && in.status() != "INACTIVE") {
    return unreadable("service (its status is unknown)");
  }
  service.id = {ClusterName(in.cluster()), ServiceName(in.name())};
  return service;
}

std::string encode(const ServiceDeployment& deployment) {
  model::StoredServiceDeployment out = deployment.data;
  out.set_cluster(deployment.service.cluster.str());
  out.set_service(deployment.service.name.str());
  out.set_number(deployment.number.str());
  return bytes_of(out);
}

Result<ServiceDeployment> decode_deployment(std::string_view bytes) {
  ServiceDeployment deployment;
  model::StoredServiceDeployment& in = deployment.data;
  if (!parse(in, bytes) || in.cluster().empty() || in.service().empty() || in.number().empty()) {
    return unreadable("deployment of a service");
  }
  deployment.service = {ClusterName(in.cluster()), ServiceName(in.service())};
  deployment.number = DeploymentNumber(in.number());
  return deployment;
}

std::string encode_family(const FamilyName& family, std::int32_t last_revision) {
  model::StoredFamily out;
  out.set_family(family.str());
  out.set_last_revision(last_revision);
  return bytes_of(out);
}

Result<StoredFamily> decode_family(std::string_view bytes) {
  model::StoredFamily in;
  if (!parse(in, bytes) || in.family().empty()) return unreadable("family");
  return StoredFamily{FamilyName(in.family()), in.last_revision()};
}

}  // namespace berth::stored
