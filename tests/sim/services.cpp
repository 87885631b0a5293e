// SPDX-License-Identifier: Apache-2.0
// What happens to services, and what must have come of them once the faults are over.
#include <algorithm>
#include <vector>

#include "core/control/services/percent.hpp"
#include "tests/sim/simulation.hpp"

namespace berth::sim {
namespace {

using std::chrono::minutes;
using Deployment = model::StoredServiceDeployment;

constexpr int kServices = 4;
constexpr int kServiceCpu = 60;
constexpr int kMaxRevisions = 12;

std::string key_of(const std::string& name) {
  return "default/" + name;
}

}  // namespace

void Simulation::do_with_services() {
  switch (pick(12)) {
    case 0:
      return define_for_services();
    case 1:
    case 2:
      return create_a_service();
    case 3:
    case 4:
    case 5:
      return update_a_service();
    case 6:
      return odds(30) ? delete_a_service() : update_a_service();
    case 7:
      return protect_a_task();
    case 8:
    case 9:
      return drain_a_node();
    case 10:
      return odds(faults_.stop_rollout) ? stop_a_deployment() : protect_a_task();
    default:
      if (plugin_.runs()) plugin_.command("push");
      return;
  }
}

// Most can run; some never start, and some never become healthy.
void Simulation::define_for_services() {
  control::RegisterTaskDefinition command;
  const std::uint64_t kind = pick(3);
  // They stay for ever, and each restart reads them all.
  const auto& families = core_->state().families();
  const auto known = families.find(FamilyName("svc" + std::to_string(kind)));
  if (known != families.end() && known->second.last_revision >= kMaxRevisions) return;
  command.request.set_family("svc" + std::to_string(kind));
  auto* container = command.request.add_container_definitions();
  container->set_name("main");
  container->set_image(odds(30) ? "bad" : kind == 2 && odds(15) ? "sick" : "good");
  container->set_cpu(kServiceCpu);
  container->set_memory(10);
  if (kind == 2) container->mutable_health_check()->add_command("true");
  core_->submit(std::move(command), [](Result<control::Answer>) {});
}

template <typename CommandOf>
void Simulation::submit_for_service(CommandOf command,
                                    std::function<void(const control::Answer&)> then) {
  ++open_replies_;
  core_->submit(std::move(command),
                [this, then = std::move(then), life = life_](Result<control::Answer> answer) {
                  if (life != life_ || !effect()) return;
                  --open_replies_;
                  if (answer && then) then(*answer);
                });
}

void Simulation::create_a_service() {
  const std::uint64_t kind = pick(3);
  const std::string family = "svc" + std::to_string(kind);
  if (core_->state().definition({FamilyName(family), 0}) == nullptr) return define_for_services();
  const bool daemon = odds(15);
  const std::string name = daemon ? "d0" : "s" + std::to_string(pick(kServices));
  control::CreateService command;
  command.request.set_service_name(name);
  command.request.set_task_definition(family);
  auto& configuration = *command.request.mutable_deployment_configuration();
  if (daemon) {
    command.request.set_scheduling_strategy("DAEMON");
    configuration.set_minimum_healthy_percent(static_cast<int>(50 * pick(2)));
  } else {
    command.request.set_desired_count(
        static_cast<int>(pick(static_cast<std::uint64_t>(most_desired()) + 1)));
    configuration.set_minimum_healthy_percent(static_cast<int>(25 * pick(5)));
    configuration.set_maximum_percent(100 + static_cast<int>(25 * pick(5)));
  }
  configuration.mutable_deployment_circuit_breaker()->set_enable(odds(60));
  configuration.mutable_deployment_circuit_breaker()->set_rollback(odds(50));
  if (odds(30)) command.request.set_health_check_grace_period_seconds(60);
  note("CreateService " + name + " of " + family);
  ++changes_[name];
  promised_desired_.erase(name);
  submit_for_service(std::move(command), [this, name](const control::Answer& answer) {
    ++tally_.services_made;
    require(disk_.find(store::Kind::Service, key_of(name)) != nullptr ||
                std::get<ServicePtr>(answer) == nullptr,
            "a service was answered before it was durable: " + name);
  });
}

std::string Simulation::some_service() {
  std::vector<std::string> names;
  for (const auto& [id, service] : core_->state().services()) {
    if (service->active()) names.push_back(id.name.str());
  }
  return names.empty() ? "" : names[pick(names.size())];
}

void Simulation::update_a_service() {
  const std::string name = some_service();
  if (name.empty()) return create_a_service();
  control::UpdateService command;
  command.request.set_service(name);
  const bool daemon = name[0] == 'd';
  // Most rollouts are given the time to come to their end.
  const model::StoredService& now =
      core_->state().service({ClusterName("default"), ServiceName(name)})->data;
  const Deployment* primary = ledger_.deployment(key_of(name), now.primary());
  const bool busy = primary != nullptr && primary->rollout() == Deployment::ROLLOUT_IN_PROGRESS;
  if (busy && odds(80)) return;
  if (!daemon && odds(40)) {
    command.request.set_desired_count(
        static_cast<int>(pick(static_cast<std::uint64_t>(most_desired()) + 1)));
  } else if (odds(60)) {
    const std::string revision = some_revision(odds(faults_.bad_rollout));
    if (!revision.empty()) {
      command.request.set_task_definition(revision);
      ++tally_.deployments_begun;
    }
  } else {
    command.request.set_force_new_deployment(true);
    ++tally_.deployments_begun;
  }
  note("UpdateService " + name);
  // Whichever of several changes comes last, what none of them touches stays as it was promised.
  const bool scaled = command.request.has_desired_count();
  const int wanted = command.request.desired_count();
  const std::uint64_t asked = scaled ? ++changes_[name] : 0;
  if (scaled) promised_desired_.erase(name);
  submit_for_service(std::move(command), [this, name, scaled, wanted, asked](const auto& answer) {
    const ServicePtr service = std::get<ServicePtr>(answer);
    require(disk_.find(store::Kind::Service, key_of(name)) != nullptr,
            "an update was answered before it was durable: " + name);
    if (!scaled || changes_[name] != asked) return;
    require(service->data.desired_count() == wanted,
            "an update was answered and not made: " + name);
    promised_desired_[name] = wanted;
  });
}

// As "FAMILY:REVISION"; a bad one where there is one and it is asked for.
std::string Simulation::some_revision(bool bad) {
  std::vector<std::string> all;
  for (int kind = 0; kind < 3; ++kind) {
    const FamilyName family("svc" + std::to_string(kind));
    const TaskDefinitionPtr latest = core_->state().definition({family, 0});
    for (int i = 1; latest != nullptr && i <= latest->id.revision; ++i) {
      const TaskDefinitionPtr one = core_->state().definition({family, i});
      if (bad && one->message.container_definitions(0).image() == "good") continue;
      all.push_back(family.str() + ":" + std::to_string(i));
    }
  }
  return all.empty() ? "" : all[pick(all.size())];
}

void Simulation::stop_a_deployment() {
  const std::string name = some_service();
  if (name.empty()) return;
  const Deployment* primary = ledger_.deployment(
      key_of(name),
      core_->state().service({ClusterName("default"), ServiceName(name)})->data.primary());
  if (primary == nullptr || primary->status() != "IN_PROGRESS") return;
  note("StopServiceDeployment " + name);
  submit_for_service(
      control::StopServiceDeployment{
          {ClusterName("default"), ServiceName(name)}, primary->id(), odds(70)},
      nullptr);
}

void Simulation::delete_a_service() {
  const std::string name = some_service();
  if (name.empty()) return;
  control::DeleteService command;
  command.request.set_service(name);
  command.request.set_force(odds(80));
  note("DeleteService " + name);
  ++changes_[name];
  promised_desired_.erase(name);
  submit_for_service(std::move(command), nullptr);
}

void Simulation::protect_a_task() {
  std::vector<std::string> ids;
  for (const auto& [id, task] : ledger_.tasks()) {
    if (!task.service.empty() && !task.to_stop) ids.push_back(id);
  }
  if (ids.empty()) return;
  const std::string id = ids[pick(ids.size())];
  control::UpdateTaskProtection command{ClusterName("default"), {id}, std::nullopt};
  if (odds(80)) command.expires_in = minutes(1 + static_cast<int>(pick(10)));
  note("UpdateTaskProtection " + id);
  ledger_.promise_protection(id, 0);  // until the answer to the last one says what holds now
  const std::uint64_t asked = ++protections_[id];
  submit_for_service(std::move(command), [this, id, asked](const control::Answer& answer) {
    if (protections_[id] != asked) return;
    for (const TaskPtr& task : std::get<control::ProtectionAnswer>(answer).tasks) {
      const auto until = task->protected_until;
      ledger_.promise_protection(task->id.str(), until ? until->time_since_epoch().count() : 0);
    }
  });
}

void Simulation::drain_a_node() {
  std::vector<NodeId> active;
  std::vector<NodeId> draining;
  for (const auto& [id, instance] : core_->state().instances()) {
    if (instance->status == InstanceStatus::Active) active.push_back(id);
    if (instance->status == InstanceStatus::Draining) draining.push_back(id);
  }
  // One at a time, so that there is somewhere to go; for a while.
  const bool drain = draining.empty();
  if (drain ? active.empty() : odds(60)) return;
  const NodeId id = drain ? active[pick(active.size())] : draining.front();
  note((drain ? "drain " : "undrain ") + id.str());
  submit_for_service(control::UpdateInstancesState{ClusterName("default"), {id.str()}, drain},
                     nullptr);
}

// ---- Once the faults are over

// The instances that could take one more task; counted from what the core has recorded.
std::set<std::string> Simulation::with_room(std::int64_t cpu) const {
  std::map<std::string, std::int64_t> used;
  for (const auto& [id, task] : core_->state().tasks()) {
    if (task->last_status == TaskStatus::Stopped) continue;
    used[task->node.str()] += task->launch->requirement.cpu();
  }
  std::set<std::string> nodes;
  for (const auto& [node, capacity] : capacity_) {
    if (!ledger_.is_draining(node) && used[node] + cpu <= capacity) nodes.insert(node);
  }
  return nodes;
}

// What it runs can run, and its percentages leave a way.
bool Simulation::can_settle(const std::string& key) const {
  const model::StoredService& service = ledger_.services().at(key);
  if (service.status() != "ACTIVE") return false;
  const Deployment* primary = ledger_.deployment(key, service.primary());
  if (primary == nullptr || primary->rollout() == Deployment::ROLLOUT_FAILED) return false;
  const TaskDefinitionPtr definition =
      core_->state().definition({FamilyName(primary->family()), primary->revision()});
  if (!definition || definition->message.container_definitions(0).image() != "good") return false;
  for (const std::string& id : ledger_.tasks_of(key)) {
    const TaskPtr task = core_->state().task(TaskId(id));
    if (task && task->protected_until && *task->protected_until > now_) return false;
  }
  std::set<std::string> room = with_room(kServiceCpu);
  if (service.daemon()) {
    for (const std::string& id : ledger_.tasks_of(key)) room.insert(ledger_.tasks().at(id).node);
    const auto takes_one = [&](const auto& node) {
      return ledger_.is_draining(node.first) || room.count(node.first) > 0;
    };
    return service.deployment_configuration().minimum_healthy_percent() < 50 &&
           std::all_of(capacity_.begin(), capacity_.end(), takes_one);
  }
  const control::Bounds bounds = control::bounds_of(
      service.desired_count(), {service.deployment_configuration().minimum_healthy_percent(),
                                service.deployment_configuration().maximum_percent()});
  if (bounds.lower >= service.desired_count() && bounds.upper <= service.desired_count() &&
      service.desired_count() > 0) {
    return false;
  }
  return !room.empty();
}

bool Simulation::has_settled(const std::string& key) const {
  const model::StoredService& service = ledger_.services().at(key);
  int running = 0;
  std::set<std::string> nodes;
  for (const std::string& id : ledger_.tasks_of(key)) {
    const Ledger::Task& task = ledger_.tasks().at(id);
    // The last to leave.
    const bool draining = ledger_.is_draining(task.node);
    if (service.daemon() && draining && ledger_.serves_others(task.node)) continue;
    if (task.to_stop || task.deployment != service.primary() ||
        task.status != static_cast<int>(TaskStatus::Running) || (draining && !service.daemon())) {
      return false;
    }
    nodes.insert(task.node);
    ++running;
  }
  if (!service.daemon()) return running == service.desired_count() && is_balanced(key);
  int hosts = 0;
  for (const auto& [node, capacity] : capacity_) hosts += ledger_.is_draining(node) ? 0 : 1;
  return running == hosts && static_cast<int>(nodes.size()) == hosts;
}

// As far as there is room in the emptiest zone, and beside the desired count.
bool Simulation::is_balanced(const std::string& key) const {
  const model::StoredService& service = ledger_.services().at(key);
  const Deployment* primary = ledger_.deployment(key, service.primary());
  const int upper = control::bounds_of(service.desired_count(),
                                       {0, service.deployment_configuration().maximum_percent()})
                        .upper;
  if (service.availability_zone_rebalancing() != "ENABLED" || upper <= service.desired_count() ||
      primary->rollout() != Deployment::ROLLOUT_COMPLETED) {
    return true;
  }
  std::map<std::string, int> zones = ledger_.by_zone(key);
  int most = 0;
  for (const auto& [zone, tasks] : zones) most = std::max(most, tasks);
  const std::set<std::string> room = with_room(kServiceCpu);
  return std::none_of(room.begin(), room.end(), [&](const std::string& node) {
    return zones[ledger_.zone_of(node)] + 2 <= most;
  });
}

void Simulation::check_services_converged() {
  for (const auto& [key, service] : ledger_.services()) {
    require(service.status() != "DRAINING", "a service that was deleted never ended: " + key);
    const auto promised = promised_desired_.find(service.name());
    require(service.status() != "ACTIVE" || promised == promised_desired_.end() ||
                promised->second == service.desired_count(),
            "an acknowledged desired count was lost: " + key);
    if (!can_settle(key)) continue;
    require(has_settled(key), "a service never became what it should: " + key + " has " +
                                  std::to_string(ledger_.tasks_of(key).size()) + " tasks of " +
                                  std::to_string(service.desired_count()));
    const Deployment* primary = ledger_.deployment(key, service.primary());
    require(primary->rollout() == Deployment::ROLLOUT_COMPLETED, "a rollout never ended: " + key);
  }
}

}  // namespace berth::sim
