// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/rollouts.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace berth::control {
namespace {

using Stored = model::StoredServiceDeployment;

constexpr std::size_t kMaxHistory = 100;  // deployments of a service

bool is_pinned(const ecs::ContainerDefinition& container) {
  return container.version_consistency() != "disabled";
}

// "@sha256:..." names what it is by itself.
bool is_tag(const std::string& image) {
  return image.find('@') == std::string::npos;
}

bool knows(const ServiceDeployment& deployment, const std::string& container) {
  const auto& known = deployment.data.images();
  return std::any_of(known.begin(), known.end(),
                     [&](const auto& one) { return one.container_name() == container; });
}

std::string url_safe_id(Rng& rng) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  std::string id;
  std::uint64_t bits = 0;
  for (int i = 0; i < 21; ++i) {
    if (i % 10 == 0) bits = rng.next();
    id += kAlphabet[bits & 63];
    bits >>= 6;
  }
  return id;
}

}  // namespace

bool has_open_tags(const ServiceDeployment& deployment, const ecs::TaskDefinition& definition) {
  const auto& all = definition.container_definitions();
  return std::any_of(all.begin(), all.end(), [&](const auto& container) {
    return is_pinned(container) && is_tag(container.image()) &&
           !knows(deployment, container.name());
  });
}

void Rollouts::edit(const ServiceId& id, const std::function<void(model::StoredService&)>& change) {
  const ServicePtr before = desk_.state().service(id);
  if (!before) return;
  Service after = *before;
  change(after.data);
  if (after.data.SerializeAsString() == before->data.SerializeAsString()) return;
  desk_.save(std::move(after));
}

void Rollouts::edit(const ServiceId& id, const DeploymentNumber& number,
                    const std::function<void(Stored&)>& change) {
  const ServiceDeploymentPtr before = desk_.state().deployment(id, number);
  if (!before) return;
  ServiceDeployment after = *before;
  change(after.data);
  if (after.data.SerializeAsString() == before->data.SerializeAsString()) return;
  after.data.mutable_updated_at()->set_ms(now_ms());
  desk_.save(std::move(after));
}

void Rollouts::say(const ServiceId& id, const std::string& text, Repeat repeat) {
  const ServicePtr before = desk_.state().service(id);
  if (!before) return;
  Service after = *before;
  if (add_event(after.data, {desk_.rng().uuid(), desk_.now()}, text, repeat)) {
    desk_.save(std::move(after));
  }
}

std::string Rollouts::digits() {
  constexpr std::uint64_t kLeast = 1'000'000'000'000'000'000;  // 19 digits
  return std::to_string(kLeast + desk_.rng().next() % (8 * kLeast));
}

ServiceDeploymentPtr Rollouts::primary_of(const ServiceId& id) const {
  const ServicePtr service = desk_.state().service(id);
  if (!service) return nullptr;
  return desk_.state().deployment(id, DeploymentNumber(service->data.primary()));
}

void Rollouts::begin(const ServiceId& id) {
  const ServicePtr service = desk_.state().service(id);
  ServiceDeployment next;
  next.service = id;
  next.number = DeploymentNumber(digits());
  Stored& data = next.data;
  for (const auto& [number, one] : desk_.state().deployments_of(id)) {
    if (!one->current()) continue;
    const TaskCounts counts = desk_.state().counts_of(number);
    model::ServiceRevisionSummary& source = *data.add_sources();
    source.set_arn(one->data.revision_number());
    source.set_requested_task_count(one->primary() ? service->data.desired_count() : 0);
    source.set_running_task_count(counts.running);
    source.set_pending_task_count(counts.pending);
  }
  close(id, "A newer deployment of the service took its place.");
  for (const auto& [number, one] : State::Deployments(desk_.state().deployments_of(id))) {
    if (!one->primary()) continue;
    edit(id, number, [](Stored& change) { change.set_role(Stored::ROLE_ACTIVE); });
  }
  data.set_id(url_safe_id(desk_.rng()));
  data.set_revision_number(digits());
  data.set_family(service->data.family());
  data.set_revision(service->data.revision());
  data.set_launch_type(service->data.launch_type());
  *data.mutable_capacity_provider_strategy() = service->data.capacity_provider_strategy();
  data.set_platform_version(service->data.platform_version());
  if (service->data.has_network_configuration()) {
    *data.mutable_network_configuration() = service->data.network_configuration();
  }
  data.set_role(Stored::ROLE_PRIMARY);
  data.set_rollout(Stored::ROLLOUT_IN_PROGRESS);
  data.set_rollout_reason("ECS deployment " + deployment_name(next.number) + " in progress.");
  data.set_status("IN_PROGRESS");
  for (auto* at :
       {data.mutable_created_at(), data.mutable_updated_at(), data.mutable_started_at()}) {
    at->set_ms(now_ms());
  }
  data.set_requested_count(service->data.desired_count());
  *data.mutable_configuration() = service->data.deployment_configuration();
  const std::string number = next.number.str();
  desk_.save(std::move(next));
  edit(id, [&](model::StoredService& change) {
    change.set_primary(number);
    change.set_steady(false);
  });
  drop_history(id);
}

void Rollouts::close(const ServiceId& id, const std::string& reason) {
  const State::Deployments all = desk_.state().deployments_of(id);
  for (const auto& [number, one] : all) {
    edit(id, number, [&](Stored& change) {
      const bool rolls_back = change.status() == "ROLLBACK_IN_PROGRESS";
      if (change.status() != "IN_PROGRESS" && !rolls_back) return;
      change.set_status(rolls_back ? "ROLLBACK_FAILED" : "STOPPED");
      change.set_status_reason(reason);
      change.mutable_stopped_at()->set_ms(now_ms());
      change.mutable_finished_at()->set_ms(now_ms());
    });
  }
}

void Rollouts::drop_history(const ServiceId& id) {
  const State::Deployments& all = desk_.state().deployments_of(id);
  if (all.size() <= kMaxHistory) return;
  const ServicePtr service = desk_.state().service(id);
  ServiceDeploymentPtr oldest;
  for (const auto& [number, one] : all) {
    if (one->current() || number.str() == service->data.last_completed()) continue;
    if (!oldest || one->data.created_at().ms() < oldest->data.created_at().ms()) oldest = one;
  }
  if (oldest) desk_.erase_deployment(id, oldest->number);
}

void Rollouts::task_ran(const Task& task) {
  edit({task.cluster, task.launch->service}, task.launch->deployment,
       [](Stored& change) { change.set_has_run(true); });
}

void Rollouts::task_healthy(const Task& task) {
  const ServiceId id{task.cluster, task.launch->service};
  const ServicePtr service = desk_.state().service(id);
  edit(id, task.launch->deployment, [&](Stored& change) {
    // As break_if_due(): by what the service says now.
    const auto& breaker = service->data.deployment_configuration().deployment_circuit_breaker();
    change.set_failed_tasks(0);
    if (resets_(breaker)) change.set_breaker_failures(0);
    change.set_restarts(0);
    change.clear_restart_at();
    change.clear_restarts_since();
  });
}

void Rollouts::task_ended(const Task& task, TaskEnd end) {
  const ServiceId id{task.cluster, task.launch->service};
  const BreakerRules rules{desk_.config().early_exits_fail_deployments};
  bool throttled = false;
  edit(id, task.launch->deployment, [&](Stored& change) {
    if (counts_as_failure(end, change.has_run(), rules)) {
      change.set_failed_tasks(change.failed_tasks() + 1);
      if (change.rollout() == Stored::ROLLOUT_IN_PROGRESS) {
        change.set_breaker_failures(change.breaker_failures() + 1);
      }
    }
    if (end != TaskEnd::FailedStart && end != TaskEnd::EarlyExit) return;
    // All that were started together and failed together are one round.
    const Instant since(milliseconds(change.restarts_since().ms()));
    if (change.has_restarts_since() && task.launch->created_at < since) return;
    change.set_restarts(change.restarts() + 1);
    change.mutable_restarts_since()->set_ms(now_ms());
    change.mutable_restart_at()->set_ms(now_ms() + restart_wait(change.restarts()).count());
    throttled = change.restarts() >= 3;
  });
  if (throttled) say(id, event_text::cannot_start_consistently(), Repeat::Once);
}

bool Rollouts::pin(const Task& task) {
  if (!task.report) return false;
  const ServiceId id{task.cluster, task.launch->service};
  const ServiceDeploymentPtr deployment = desk_.state().deployment(id, task.launch->deployment);
  if (!deployment) return false;
  std::vector<model::ContainerImage> images;
  const auto learn = [&](const std::string& name, const std::string& digest) {
    if (digest.empty() || knows(*deployment, name)) return;
    for (const auto& container : task.definition->message.container_definitions()) {
      if (container.name() != name || !is_pinned(container) || !is_tag(container.image())) continue;
      model::ContainerImage& image = images.emplace_back();
      image.set_container_name(name);
      image.set_image(container.image());
      image.set_image_digest(digest);
    }
  };
  for (const auto& container : task.report->containers()) {
    learn(container.name(), container.image_digest());
  }
  // A pull knows before it is over.
  for (const auto& pull : task.report->pulls()) learn(pull.container(), pull.image_digest());
  if (images.empty()) return false;
  edit(id, deployment->number,
       [&](Stored& change) { change.mutable_images()->Add(images.begin(), images.end()); });
  return true;
}

void Rollouts::break_if_due(const ServiceId& id, Threshold threshold) {
  const ServicePtr service = desk_.state().service(id);
  const ServiceDeploymentPtr primary = primary_of(id);
  // What had been COMPLETED before is what a rollback goes back to: it is tried for ever.
  if (!primary || !primary->in_progress() ||
      primary->number.str() == service->data.last_completed()) {
    return;
  }
  const auto& breaker = service->data.deployment_configuration().deployment_circuit_breaker();
  if (!breaker.enable() ||
      primary->data.breaker_failures() < threshold(breaker, service->data.desired_count())) {
    return;
  }
  edit(id, primary->number, [](Stored& change) { change.set_breaker_triggered(true); });
  fail_primary(id, {"ECS deployment circuit breaker: tasks failed to start.",
                    "ECS deployment circuit breaker: rolling back to deploymentId ",
                    breaker.rollback(), true});
}

ServiceDeploymentPtr Rollouts::rollback_target(const Service& service) const {
  if (service.data.last_completed().empty() ||
      service.data.last_completed() == service.data.primary()) {
    return nullptr;
  }
  return desk_.state().deployment(service.id, DeploymentNumber(service.data.last_completed()));
}

void Rollouts::fail_primary(const ServiceId& id, const Failure& failure) {
  const ServicePtr service = desk_.state().service(id);
  const ServiceDeploymentPtr primary = primary_of(id);
  const ServiceDeploymentPtr target = failure.rollback ? rollback_target(*service) : nullptr;
  edit(id, primary->number, [&](Stored& change) {
    change.set_rollout(Stored::ROLLOUT_FAILED);
    change.set_rollout_reason(failure.reason);
    change.set_status_reason(failure.reason);
    if (target) {
      change.set_role(Stored::ROLE_ACTIVE);
      change.set_status("ROLLBACK_IN_PROGRESS");
      change.set_rollback_to(target->number.str());
      change.set_rollback_reason(failure.reason);
      change.mutable_rollback_at()->set_ms(now_ms());
    } else {
      change.set_status("STOPPED");
      change.mutable_stopped_at()->set_ms(now_ms());
      change.mutable_finished_at()->set_ms(now_ms());
    }
  });
  if (failure.tasks_failed) say(id, event_text::failed(primary->number));
  if (!target) return;
  edit(id, target->number, [&](Stored& change) {
    change.set_role(Stored::ROLE_PRIMARY);
    change.set_rollout(Stored::ROLLOUT_IN_PROGRESS);
    change.set_rollout_reason(failure.rollback_reason + deployment_name(target->number) + ".");
    change.set_failed_tasks(0);
    change.set_restarts(0);
    change.clear_restart_at();
  });
  edit(id, [&](model::StoredService& change) {
    change.set_primary(target->number.str());
    change.set_family(target->data.family());
    change.set_revision(target->data.revision());
    change.set_launch_type(target->data.launch_type());
    *change.mutable_capacity_provider_strategy() = target->data.capacity_provider_strategy();
    change.set_platform_version(target->data.platform_version());
    change.clear_network_configuration();
    if (target->data.has_network_configuration()) {
      *change.mutable_network_configuration() = target->data.network_configuration();
    }
    change.set_steady(false);
  });
  say(id, event_text::rolling_back(target->number));
}

void Rollouts::complete(const ServiceId& id) {
  const ServiceDeploymentPtr primary = primary_of(id);
  edit(id, primary->number, [&](Stored& change) {
    change.set_rollout(Stored::ROLLOUT_COMPLETED);
    change.set_rollout_reason("ECS deployment " + deployment_name(primary->number) + " completed.");
    if (change.status() == "IN_PROGRESS") {
      change.set_status("SUCCESSFUL");
      change.mutable_finished_at()->set_ms(now_ms());
    }
  });
  const State::Deployments all = desk_.state().deployments_of(id);
  for (const auto& [number, one] : all) {
    if (one->data.status() != "ROLLBACK_IN_PROGRESS") continue;
    edit(id, number, [&](Stored& change) {
      change.set_status("ROLLBACK_SUCCESSFUL");
      change.mutable_finished_at()->set_ms(now_ms());
    });
  }
  edit(id, [&](model::StoredService& change) { change.set_last_completed(primary->number.str()); });
  say(id, event_text::completed(primary->number));
}

void Rollouts::retire(const ServiceId& id, const DeploymentNumber& number) {
  edit(id, number, [](Stored& change) { change.set_role(Stored::ROLE_INACTIVE); });
}

Result<void> Rollouts::abort(const ServiceId& id) {
  const ServiceDeploymentPtr primary = primary_of(id);
  if (!primary || primary->data.status() != "IN_PROGRESS") {
    return fail(Errc::Precondition, "The service deployment is not in progress.",
                Subject::ServiceDeployment, "serviceDeploymentArn");
  }
  fail_primary(id,
               {"Service deployment stopped: it was aborted by StopServiceDeployment.", "", false});
  return {};
}

Result<void> Rollouts::roll_back(const ServiceId& id) {
  const ServicePtr service = desk_.state().service(id);
  const ServiceDeploymentPtr primary = primary_of(id);
  if (!primary || primary->data.status() != "IN_PROGRESS") {
    return fail(Errc::Precondition, "The service deployment is not in progress.",
                Subject::ServiceDeployment, "serviceDeploymentArn");
  }
  if (!rollback_target(*service)) {
    return fail(Errc::Precondition,
                "There is no completed deployment of the service to roll back to.",
                Subject::ServiceDeployment, "serviceDeploymentArn");
  }
  fail_primary(id, {"Service deployment rolled back by StopServiceDeployment.",
                    "ECS deployment stopped: rolling back to deploymentId ", true});
  return {};
}

}  // namespace berth::control
