// SPDX-License-Identifier: Apache-2.0
#include "core/control/launches.hpp"

#include <algorithm>
#include <utility>

#include "core/control/refusals.hpp"
#include "core/control/run_parts.hpp"

namespace berth::control {

void Launches::take(const Call& call, const Route& route, const Placer::Outcome& outcome,
                    Taken& taken) {
  const bool own_interface = call.definition->message.network_mode() == "awsvpc";
  std::vector<Placer::Place> unusable;
  for (const Placer::Place& place : outcome.places) {
    std::optional<v1::TaskInterface> interface;
    if (own_interface) {
      auto made = rooms_.networks.take(call.request.network_configuration(),
                                       rooms_.placer.zone_of(call.cluster->name, place.node));
      if (!made) {
        fail({rooms_.placer.arn_of(call.cluster->name, place.node.str()), "RESOURCE:ENI",
              made.error().message},
             taken);
        unusable.push_back(place);
        continue;
      }
      interface = *std::move(made);
    }
    taken.answer.tasks.push_back(make_task(call, route, place, std::move(interface)));
  }
  rooms_.placer.give_back(unusable);
  for (int i = 0; i < outcome.missing; ++i) {
    taken.answer.failures.insert(taken.answer.failures.end(), outcome.failures.begin(),
                                 outcome.failures.end());
  }
  taken.failures.insert(taken.failures.end(), outcome.failures.begin(), outcome.failures.end());
  merge(taken.refusals, outcome.refusals);
}

void Launches::fail(Failure failure, Taken& taken) {
  merge(taken.refusals, {{.reason = failure.reason,
                          .instances = 1,
                          .closest_arn = failure.arn,
                          .detail = failure.detail}});
  taken.failures.push_back(failure);
  taken.answer.failures.push_back(std::move(failure));
}

void Launches::close(const Call& call, const Taken& taken) {
  const int placed = static_cast<int>(taken.answer.tasks.size());
  if (placed >= call.count) return;
  UnplacedTasks one = about(call);
  one.placed = placed;
  one.failures = taken.failures;
  one.refusals = taken.refusals;
  rooms_.unplaced.record(std::move(one));
}

void Launches::refuse(const Call& call, const Error& error) {
  UnplacedTasks one = about(call);
  one.message = error.message;
  rooms_.unplaced.record(std::move(one));
}

UnplacedTasks Launches::about(const Call& call) const {
  const model::RunTaskRequest& asked = call.request;
  const auto list = [](const auto& repeated) {
    return std::vector(repeated.begin(), repeated.end());
  };
  return {.operation = call.operation,
          .cluster = call.cluster->name,
          .group = group_of(asked, *call.definition),
          .definition = call.definition->id,
          .at = rooms_.desk.now(),
          .count = call.count,
          .placed = 0,
          .message = {},
          .failures = {},
          .refusals = {},
          .launch_type = asked.launch_type(),
          .providers = list(asked.capacity_provider_strategy()),
          .constraints = list(asked.placement_constraints()),
          .strategies = list(asked.placement_strategy())};
}

TaskPtr Launches::make_task(const Call& call, const Route& route, const Placer::Place& place,
                            std::optional<v1::TaskInterface> interface) {
  const Plans::Plan& plan = route.plans.at(place.plugin);
  auto launch = std::make_shared<Launch>(launch_of(call.request, *call.cluster, *call.definition));
  launch->launch_type = route.launch_type;
  launch->capacity_provider = route.capacity_provider;
  launch->availability_zone = rooms_.placer.zone_of(call.cluster->name, place.node);
  launch->platform_version = plan->platform_version();
  launch->platform_family = plan->platform_family();
  launch->requirement = plan->requirement();
  launch->allocation = place.allocation;
  launch->task_interface = std::move(interface);
  launch->client_token_key = call.token_key;
  launch->created_at = rooms_.desk.now();
  launch->placed_by = call.operation;
  launch->service = call.service;
  launch->deployment = call.deployment;
  launch->pinned_digests = call.pinned_digests;
  for (int i = 0; i < call.definition->message.container_definitions_size(); ++i) {
    launch->container_ids.push_back(rooms_.desk.rng().uuid());
  }
  Task task;
  task.id = TaskId(rooms_.desk.rng().hex_id());
  task.cluster = call.cluster->name;
  task.definition = call.definition;
  task.plugin = place.plugin;
  task.node = place.node;
  task.connectivity_at = launch->created_at;
  const bool prepares =
      rooms_.plugins.find(place.plugin)->about.hidden_nodes || launch->task_interface.has_value();
  task.last_status = prepares ? TaskStatus::Provisioning : TaskStatus::Pending;
  task.launch = std::move(launch);
  const TaskId id = task.id;
  rooms_.tasks.create(std::move(task), place);
  rooms_.delivery.pursue(id);
  return rooms_.desk.state().task(id);
}

}  // namespace berth::control
