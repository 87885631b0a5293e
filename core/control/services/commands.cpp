// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/commands.hpp"

#include <algorithm>
#include <utility>

#include "core/control/canonical.hpp"
#include "core/control/digest.hpp"
#include "core/control/names.hpp"
#include "core/control/run_parts.hpp"
#include "core/control/services/settings.hpp"

namespace berth::control {
namespace {

std::string digest_of(model::CreateServiceRequest request) {
  request.clear_client_token();
  return sha256(canonical_bytes(request));
}

Error not_found(const std::string& name) {
  return {Errc::NotFound, "Service not found.", Subject::Service, name};
}

// The cluster's default strategy, where the call says nothing of how its tasks are to run.
model::CreateServiceRequest with_default_strategy(model::CreateServiceRequest request,
                                                  const Cluster& cluster) {
  if (request.has_launch_type() || request.capacity_provider_strategy_size() > 0 ||
      request.scheduling_strategy() == "DAEMON") {
    return request;
  }
  const auto& by_default = cluster.default_capacity_provider_strategy;
  request.mutable_capacity_provider_strategy()->Assign(by_default.begin(), by_default.end());
  return request;
}

bool is_definite(const Error& error) {
  return !is_retryable(error.code) && error.code != Errc::Internal;
}

}  // namespace

void ServiceCommands::restore() {
  for (const auto& [id, service] : rooms_.desk.state().services()) {
    if (service->inactive()) service_ended(id);
  }
}

void ServiceCommands::service_ended(const ServiceId& id) {
  const ServicePtr service = rooms_.desk.state().service(id);
  const Instant since(milliseconds(service->data.inactive_since().ms()));
  const milliseconds kept = rooms_.desk.config().stopped_task_retention;
  rooms_.desk.alarms().set(since + kept, [this, id, kept] {
    const ServicePtr now = rooms_.desk.state().service(id);
    if (!now || !now->inactive()) return;  // made again
    if (Instant(milliseconds(now->data.inactive_since().ms())) + kept > rooms_.desk.now()) return;
    rooms_.desk.erase_service(id);
  });
}

void ServiceCommands::answer(const Reply& reply, const Result<ServicePtr>& service) {
  if (!service) return rooms_.desk.answer(reply, tl::unexpected(service.error()));
  rooms_.desk.answer(reply, Answer(*service));
}

Result<ServicePtr> ServiceCommands::find(const std::string& cluster,
                                         const std::string& name) const {
  auto known = find_cluster(rooms_.desk.state(), cluster, rooms_.desk.config().default_cluster);
  if (!known) return tl::unexpected(known.error());
  const ServicePtr service = rooms_.desk.state().service({(*known)->name, ServiceName(name)});
  if (!service) return tl::unexpected(not_found(name));
  return service;
}

void ServiceCommands::check_runnable(const model::RunTaskRequest& request,
                                     const ClusterPtr& cluster, const TaskDefinitionPtr& definition,
                                     Then then) {
  if (const auto zones = rooms_.networks.check(*definition, request); !zones) {
    return then(tl::unexpected(zones.error()));
  }
  auto routes = rooms_.routes.of_request(request, *cluster, definition.get());
  if (!routes) {
    // Instances may come later; a launch type that nobody serves will not.
    if (routes.error().code == Errc::Precondition) return then({});
    return then(tl::unexpected(routes.error()));
  }
  rooms_.routes.plan(*definition, request, *routes, [routes = *routes, then = std::move(then)] {
    for (const Route& route : *routes) {
      if (route.plans.empty() && is_definite(route.refusals.front())) {
        return then(tl::unexpected(route.refusals.front()));
      }
    }
    then({});
  });
}

// ---- CreateService

void ServiceCommands::create(CreateService command, Reply reply) {
  const auto refuse = [&](const Error& error) { answer(reply, tl::unexpected(error)); };
  const State& state = rooms_.desk.state();
  auto cluster =
      find_cluster(state, command.request.cluster(), rooms_.desk.config().default_cluster);
  if (!cluster) return refuse(cluster.error());
  command.request.set_cluster((*cluster)->name.str());
  const ServiceId id{(*cluster)->name, ServiceName(command.request.service_name())};
  if (const auto known = by_token(command)) return answer(reply, *known);
  if (const ServicePtr there = state.service(id); there && !there->inactive()) {
    return answer(reply, existing(id, digest_of(command.request)));
  }
  auto definition = find_active_definition(state, command.request.task_definition());
  if (!definition) return refuse(definition.error());
  const model::CreateServiceRequest settled = with_default_strategy(command.request, **cluster);
  if (auto ok = check_rebalancing(service_of(settled, (*definition)->id)); !ok) {
    return refuse(ok.error());
  }
  check_runnable(plan_part(settled), *cluster, *definition,
                 [this, command, settled, reply = std::move(reply),
                  definition = *definition](const Result<void>& runnable) {
                   if (!runnable) return answer(reply, tl::unexpected(runnable.error()));
                   answer(reply, make(command, service_of(settled, definition->id)));
                 });
}

namespace {

std::string token_key(const model::CreateServiceRequest& request) {
  return "CreateService/" + request.cluster() + "/" + request.client_token();
}

}  // namespace

// A token stands for one request while the service that it made is there.
std::optional<Result<ServicePtr>> ServiceCommands::by_token(const CreateService& command) const {
  if (command.request.client_token().empty()) return std::nullopt;
  const auto& tokens = rooms_.desk.state().tokens();
  const auto at = tokens.find(token_key(command.request));
  if (at == tokens.end()) return std::nullopt;
  if (at->second->request_digest != digest_of(command.request)) {
    return fail(Errc::Invalid, "Creation of service was not idempotent.", Subject::Request,
                "clientToken");
  }
  const ServicePtr there = rooms_.desk.state().service(
      {ClusterName(command.request.cluster()), ServiceName(command.request.service_name())});
  if (!there || there->inactive()) return std::nullopt;
  return there;
}

void ServiceCommands::record_token(const CreateService& command) {
  if (command.request.client_token().empty()) return;
  ClientToken token;
  token.key = token_key(command.request);
  token.request_digest = digest_of(command.request);
  token.made_at = rooms_.desk.now();
  rooms_.retention.token_made(token);
  rooms_.desk.save(std::move(token));
}

Result<ServicePtr> ServiceCommands::existing(const ServiceId& id, const std::string& digest) const {
  const ServicePtr there = rooms_.desk.state().service(id);
  if (!there->active()) {
    return fail(Errc::Invalid, "Unable to Start a service that is still Draining.",
                Subject::Request, "serviceName");
  }
  if (there->data.creation_digest() != digest) {
    return fail(Errc::Invalid, "Creation of service was not idempotent.", Subject::Request,
                "serviceName");
  }
  return there;
}

Result<ServicePtr> ServiceCommands::make(const CreateService& command,
                                         model::StoredService settings) {
  const ClusterName cluster(command.request.cluster());
  const ServiceId id{cluster, ServiceName(command.request.service_name())};
  // Both may have changed while plans were made.
  const ClusterPtr known = rooms_.desk.state().cluster(cluster);
  if (!known || !known->active) {
    return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, cluster.str());
  }
  if (auto by = by_token(command)) return *std::move(by);
  const std::string digest = digest_of(command.request);
  if (const ServicePtr there = rooms_.desk.state().service(id)) {
    if (!there->inactive()) return existing(id, digest);
    rooms_.desk.erase_service(id);
  }
  Service service;
  service.id = id;
  service.data = std::move(settings);
  service.data.set_created_by(command.created_by);
  service.data.set_creation_digest(digest);
  service.data.mutable_created_at()->set_ms(rooms_.desk.now().time_since_epoch().count());
  rooms_.desk.save(std::move(service));
  record_token(command);
  rooms_.rollouts.begin(id);
  rooms_.services.service_changed(id);
  return rooms_.desk.state().service(id);
}

// ---- UpdateService

void ServiceCommands::update(UpdateService command, Reply reply) {
  const auto refuse = [&](const Error& error) { answer(reply, tl::unexpected(error)); };
  auto service = find(command.request.cluster(), command.request.service());
  if (!service) return refuse(service.error());
  if (auto ok = check_update(**service, command); !ok) return refuse(ok.error());
  const ServiceId id = (*service)->id;
  TaskDefinitionPtr definition;
  if (command.request.has_task_definition()) {
    auto named = find_active_definition(rooms_.desk.state(), command.request.task_definition());
    if (!named) return refuse(named.error());
    definition = *named;
    command.request.set_task_definition(definition->id.family.str() + ":" +
                                        std::to_string(definition->id.revision));
  }
  const model::StoredService next = updated((*service)->data, command);
  // Not every launch type takes them.
  const bool places_anew = command.request.placement_constraints_size() > 0 ||
                           command.request.placement_strategy_size() > 0;
  if (!places_anew && !begins_deployment((*service)->data, next, command)) {
    return apply(command, id, reply);
  }
  if (!definition) {
    definition = rooms_.desk.state().definition({FamilyName(next.family()), next.revision()});
  }
  const ClusterPtr cluster = rooms_.desk.state().cluster(id.cluster);
  if (!definition || !cluster) return refuse(not_found(id.name.str()));
  check_runnable(plan_part(next), cluster, definition,
                 [this, command, id, reply = std::move(reply)](const Result<void>& runnable) {
                   if (!runnable) return answer(reply, tl::unexpected(runnable.error()));
                   apply(command, id, reply);
                 });
}

void ServiceCommands::apply(const UpdateService& command, const ServiceId& id, const Reply& reply) {
  const ServicePtr before = rooms_.desk.state().service(id);
  if (!before) return answer(reply, tl::unexpected(not_found(id.name.str())));
  if (auto ok = check_update(*before, command); !ok)
    return answer(reply, tl::unexpected(ok.error()));
  const model::StoredService next = updated(before->data, command);
  const bool begins = begins_deployment(before->data, next, command);
  rooms_.rollouts.edit(id, [&](model::StoredService& change) { change = next; });
  if (begins) {
    rooms_.rollouts.begin(id);
  } else {
    // "Reset by a service update": what keeps failing is tried again now.
    rooms_.rollouts.edit(id, DeploymentNumber(next.primary()), [](auto& change) {
      change.set_restarts(0);
      change.clear_restart_at();
    });
  }
  rooms_.services.service_changed(id);
  answer(reply, rooms_.desk.state().service(id));
}

// ---- The end, and what goes on meanwhile

void ServiceCommands::remove(const DeleteService& command, const Reply& reply) {
  auto service = find(command.request.cluster(), command.request.service());
  if (!service || !(*service)->active()) return answer(reply, service);  // again is not once more
  const ServiceId id = (*service)->id;
  const model::StoredService& data = (*service)->data;
  if (!command.request.force()) {
    if (!data.daemon() && data.desired_count() > 0) {
      return answer(reply,
                    fail(Errc::Invalid, "The service cannot be stopped while it is scaled above 0.",
                         Subject::Request, "service"));
    }
    const State::Deployments& all = rooms_.desk.state().deployments_of(id);
    if (std::count_if(all.begin(), all.end(),
                      [](const auto& one) { return one.second->current(); }) > 1) {
      return answer(
          reply, fail(Errc::Invalid, "The service cannot be stopped while deployments are active.",
                      Subject::Request, "service"));
    }
  }
  rooms_.rollouts.close(id, "The service was deleted.");
  rooms_.rollouts.edit(id, [](model::StoredService& change) {
    change.set_status("DRAINING");
    change.set_desired_count(0);
    change.set_steady(false);
  });
  rooms_.services.service_changed(id);
  answer(reply, rooms_.desk.state().service(id));
}

void ServiceCommands::stop_deployment(const StopServiceDeployment& command, const Reply& reply) {
  const ServicePtr service = rooms_.desk.state().service(command.service);
  ServiceDeploymentPtr named;
  for (const auto& [number, one] : rooms_.desk.state().deployments_of(command.service)) {
    if (one->data.id() == command.id) named = one;
  }
  if (!service || !named) {
    return answer(reply, fail(Errc::NotFound, "Service deployment not found.",
                              Subject::ServiceDeployment, command.id));
  }
  if (!service->active() || !named->primary()) {
    return answer(reply, fail(Errc::Precondition, "The service deployment is not in progress.",
                              Subject::ServiceDeployment, "serviceDeploymentArn"));
  }
  const Result<void> done = command.rollback ? rooms_.rollouts.roll_back(command.service)
                                             : rooms_.rollouts.abort(command.service);
  if (!done) return answer(reply, tl::unexpected(done.error()));
  rooms_.services.service_changed(command.service);
  answer(reply, rooms_.desk.state().service(command.service));
}

void ServiceCommands::protect(const UpdateTaskProtection& command, const Reply& reply) {
  const Realm& realm = rooms_.desk.config().realm;
  const ClusterPtr cluster = rooms_.desk.state().cluster(command.cluster);
  if (!cluster || !cluster->active) {
    return answer(
        reply, fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, command.cluster.str()));
  }
  ProtectionAnswer out;
  for (const std::string& text : command.tasks) {
    const TaskId id(text);
    const TaskPtr task = rooms_.desk.state().task(id);
    const std::string arn = realm.task_arn(command.cluster, id);
    if (!task || task->cluster != command.cluster) {
      out.failures.push_back({arn, "MISSING", ""});
      continue;
    }
    if (task->launch->service.empty() || task->desired_status == DesiredStatus::Stopped) {
      out.failures.push_back({arn, "TASK_NOT_VALID",
                              "Only running tasks that a service has started can be protected."});
      continue;
    }
    const ServicePtr service = rooms_.desk.state().service({task->cluster, task->launch->service});
    const bool is_protected = task->protected_until && *task->protected_until > rooms_.desk.now();
    if (command.expires_in && !is_protected && service && !service->data.daemon() &&
        rooms_.services.protected_tasks(service->id) >= service->data.desired_count()) {
      out.failures.push_back({arn, "DEPLOYMENT_BLOCKED",
                              "More tasks would be protected than the service is to have."});
      continue;
    }
    std::optional<Instant> until;
    if (command.expires_in) until = rooms_.desk.now() + *command.expires_in;
    rooms_.tasks.protect(id, until);
    out.tasks.push_back(rooms_.desk.state().task(id));
  }
  rooms_.desk.answer(reply, Answer(std::move(out)));
}

void ServiceCommands::set_instances(const UpdateInstancesState& command, const Reply& reply) {
  const Realm& realm = rooms_.desk.config().realm;
  const ClusterPtr cluster = rooms_.desk.state().cluster(command.cluster);
  if (!cluster || !cluster->active) {
    return answer(
        reply, fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, command.cluster.str()));
  }
  InstancesAnswer out;
  for (const std::string& text : command.instances) {
    const NodeId id(text);
    const std::string arn = realm.container_instance_arn(command.cluster, id);
    const ContainerInstancePtr instance = rooms_.desk.state().instance(id);
    if (!instance || instance->cluster != command.cluster) {
      out.failures.push_back({arn, "MISSING", ""});
      continue;
    }
    if (instance->status == InstanceStatus::Inactive) {
      out.failures.push_back({arn, "INACTIVE", "The container instance was deregistered."});
      continue;
    }
    rooms_.nodes.set_status(id,
                            command.draining ? InstanceStatus::Draining : InstanceStatus::Active);
    out.instances.push_back(rooms_.desk.state().instance(id));
  }
  rooms_.desk.answer(reply, Answer(std::move(out)));
}

}  // namespace berth::control
