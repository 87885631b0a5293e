// SPDX-License-Identifier: Apache-2.0
// Tasks that scale-in and deployments leave alone.
#include "berth/model/ecs_services.pb.h"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kDefaultMinutes = 120;

model::ProtectedTask show_protection(const Task& task, const Realm& realm, Instant now) {
  model::ProtectedTask shown;
  shown.set_task_arn(realm.task_arn(task.cluster, task.id));
  const bool guarded = task.protected_until && *task.protected_until > now;
  shown.set_protection_enabled(guarded);
  if (guarded) {
    shown.mutable_expiration_date()->set_ms(task.protected_until->time_since_epoch().count());
  }
  return shown;
}

Result<std::vector<std::string>> ids_of(
    const google::protobuf::RepeatedPtrField<std::string>& tasks, const ClusterName& cluster) {
  std::vector<std::string> ids;
  for (const std::string& text : tasks) {
    auto id = id_in_cluster(text, "task", cluster);
    if (!id) return tl::unexpected(id.error());
    ids.push_back(*std::move(id));
  }
  return ids;
}

struct Found {
  std::vector<TaskPtr> tasks;
  std::vector<control::Failure> failures;
};

template <typename Response>
void reply_protection(const Call& call, const Found& found) {
  Response response;
  for (const TaskPtr& task : found.tasks) {
    *response.add_protected_tasks() = show_protection(*task, call.realm(), call.backend().now());
  }
  for (const auto& failure : found.failures) *response.add_failures() = show_failure(failure);
  call.reply(response);
}

}  // namespace

void get_task_protection(const Call& call) {
  model::GetTaskProtectionRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto ids = ids_of(request.tasks(), *cluster);
  if (!ids) return call.refuse(ids.error());
  call.query(
      [ids = *ids, name = *cluster,
       realm = call.realm()](const control::State& state) -> Result<Found> {
        if (auto known = active_cluster(state, name); !known) {
          return tl::unexpected(known.error());
        }
        Found found;
        for (const std::string& id : ids) {
          const TaskPtr task = state.task(TaskId(id));
          const std::string arn = realm.task_arn(name, TaskId(id));
          if (!task || task->cluster != name) {
            found.failures.push_back({arn, "MISSING", ""});
          } else if (task->launch->service.empty()) {
            found.failures.push_back({arn, "TASK_NOT_VALID", "No service has started the task."});
          } else {
            found.tasks.push_back(task);
          }
        }
        if (!ids.empty()) return found;
        for (const TaskId& id : state.tasks_of(name)) {  // none named: all that are protected
          const TaskPtr task = state.task(id);
          if (task->protected_until && task->last_status != TaskStatus::Stopped) {
            found.tasks.push_back(task);
          }
        }
        return found;
      },
      reply_protection<model::GetTaskProtectionResponse>);
}

void update_task_protection(const Call& call) {
  model::UpdateTaskProtectionRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto ids = ids_of(request.tasks(), *cluster);
  if (!ids) return call.refuse(ids.error());
  control::UpdateTaskProtection command{*cluster, *ids, std::nullopt};
  if (request.protection_enabled()) {
    const int minutes =
        request.has_expires_in_minutes() ? request.expires_in_minutes() : kDefaultMinutes;
    command.expires_in = std::chrono::minutes(minutes);
  }
  call.submit(std::move(command), [](const Call& answered, const control::Answer& answer) {
    const auto& done = std::get<control::ProtectionAnswer>(answer);
    reply_protection<model::UpdateTaskProtectionResponse>(answered, {done.tasks, done.failures});
  });
}

}  // namespace berth::api
