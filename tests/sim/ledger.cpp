// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/ledger.hpp"

#include <algorithm>
#include <optional>

#include "core/model/task_status.hpp"

namespace berth::sim {
namespace {

using Deployment = model::StoredServiceDeployment;

constexpr int kRunning = static_cast<int>(TaskStatus::Running);
constexpr int kStopped = static_cast<int>(TaskStatus::Stopped);
constexpr int kFailedToStart = static_cast<int>(StopCode::TaskFailedToStart);
constexpr int kByScheduler = static_cast<int>(StopCode::ServiceSchedulerInitiated);
constexpr std::int64_t kHealthyAfterMs = 40'000;
constexpr std::int64_t kLeastRetentionMs = 59 * 60'000;
constexpr const char* kForHealth = "Task failed container health checks";

int lower_of(const model::StoredService& service) {
  const int percent = service.deployment_configuration().minimum_healthy_percent();
  int lower = service.desired_count() * percent / 100;
  if (lower * 100 < service.desired_count() * percent) ++lower;
  return std::min(lower, service.desired_count());
}

int upper_of(const model::StoredService& service) {
  return service.desired_count() * service.deployment_configuration().maximum_percent() / 100;
}

std::string key_of(const std::string& service, const std::string& number) {
  return service + "/" + number;
}

std::string name_of(int status) {
  const auto known = task_status_of(status);
  return known ? std::string(to_string(*known)) : "?";
}

std::string definition_key(const std::string& family, int revision) {
  return family + ":" + std::to_string(revision);
}

}  // namespace

void Ledger::begin(const test::MemoryDisk& disk) {
  services_.clear();
  deployments_.clear();
  tasks_.clear();
  tasks_of_.clear();
  wanted_.clear();
  draining_.clear();
  cpu_on_.clear();
  ports_on_.clear();
  failed_starts_.clear();
  have_run_.clear();
  for (const auto& [key, value] : disk.records) {
    read_one({key.first, key.second, value, false}, Check::No);
  }
}

void Ledger::read(const store::Batch& batch, Instant now) {
  now_ = now;
  least_desired_.clear();
  triggered_.clear();
  std::set<std::string> touched;
  for (const store::Change& change : batch) {
    read_one(change, Check::Yes);
    if (change.kind == store::Kind::Service && !change.erase) touched.insert(change.key);
    if (change.kind != store::Kind::Deployment || change.erase) continue;
    touched.insert(change.key.substr(0, change.key.rfind('/')));
  }
  for (const std::string& service : touched) check_breaker(service);
  for (const std::string& deployment : triggered_) check_triggered(deployments_.at(deployment));
}

void Ledger::read_one(const store::Change& change, Check check) {
  switch (change.kind) {
    case store::Kind::Task:
      return read_task(change, check);
    case store::Kind::Service:
      return read_service(change, check);
    case store::Kind::Deployment:
      return read_deployment(change, check);
    case store::Kind::Instance: {
      model::StoredInstance instance;
      instance.ParseFromString(change.value);
      for (const auto& attribute : instance.node().attributes()) {
        if (attribute.name() == "ecs.availability-zone") zones_[change.key] = attribute.value();
      }
      if (!change.erase && instance.status() == "DRAINING") {
        draining_.insert(change.key);
      } else {
        draining_.erase(change.key);
      }
      return;
    }
    case store::Kind::Definition: {
      model::StoredDefinition definition;
      definition.ParseFromString(change.value);
      const auto& message = definition.definition();
      if (message.container_definitions_size() > 0 &&
          message.container_definitions(0).has_health_check()) {
        with_checks_.insert(definition_key(message.family(), message.revision()));
      }
      return;
    }
    default:
      return;
  }
}

// ---- Tasks

void Ledger::read_task(const store::Change& change, Check check) {
  const std::string& id = change.key;
  const auto known = tasks_.find(id);
  if (change.erase) {
    if (known == tasks_.end()) return;
    require(known->second.status == kStopped, "a task was erased before it was STOPPED: " + id);
    const auto stopped = stopped_ms_.find(id);
    require(stopped != stopped_ms_.end() &&
                now_.time_since_epoch().count() - stopped->second >= kLeastRetentionMs,
            "a stopped task was pruned too early: " + id);
    tasks_.erase(known);
    protected_until_.erase(id);
    world_.erased(id);
    return;
  }
  model::StoredTask in;
  in.ParseFromString(change.value);
  Task task;
  if (!in.service().empty()) task.service = in.cluster() + "/" + in.service();
  task.deployment = in.deployment();
  task.node = in.node();
  task.status = in.last_status();
  task.to_stop = in.desired_stopped();
  task.checked = with_checks_.count(definition_key(in.family(), in.revision())) > 0;
  task.health = in.report().health_status();
  task.created_ms = in.created_at().ms();
  task.started_ms = in.has_started_at() ? in.started_at().ms() : 0;

  task.pinned = in.pinned_digests_size() > 0;
  task.mover = in.placed_by() == "rebalancing";
  task.cpu = in.requirement().cpu();
  for (const auto& port : in.requirement().ports()) task.ports.push_back(port.number());

  const bool first = known == tasks_.end();
  const Task before = first ? Task() : known->second;
  if (check == Check::Yes) {
    require(task.status >= before.status, "a stored status went back: " + id);
    if (first && !task.service.empty()) check_made(id, task);
    if (first && task.mover) count("task rebalanced");
    if (!first && !before.to_stop && task.to_stop && in.stop_code() == kByScheduler) {
      check_stopped(id, before, in);
    }
    if (task.status != before.status) {
      count("task " + (first ? std::string("new") : name_of(before.status)) + ">" +
            name_of(task.status));
    }
  }
  if (task.status == kStopped) stopped_ms_.emplace(id, now_.time_since_epoch().count());
  if (first && task.status != kStopped) hold(task, check);
  if (!first && before.status != kStopped && task.status == kStopped) give_back(before);
  if (!task.service.empty()) {
    const bool counted = !first && before.status != kStopped;
    const bool counts = task.status != kStopped;
    wanted_[task.service] += (counts && !task.to_stop) - (counted && !before.to_stop);
    if (counts) {
      tasks_of_[task.service].insert(id);
    } else {
      tasks_of_[task.service].erase(id);
    }
    if (task.started_ms != 0) have_run_.insert(task.deployment);
    if (task.status == kStopped && before.status != kStopped && !before.to_stop &&
        in.stop_code() == kFailedToStart) {
      ++failed_starts_[task.deployment];
    }
    if ((task.to_stop || task.status == kStopped) && over_.insert(id).second) {
      ++ended_[task.deployment];
    }
  }
  tasks_[id] = std::move(task);
}

void Ledger::hold(const Task& task, Check check) {
  std::int64_t& cpu = cpu_on_[task.node];
  cpu += task.cpu;
  for (const std::uint32_t port : task.ports) {
    const bool fresh = ports_on_[task.node].insert(port).second;
    require(fresh, "a port was given twice on node " + task.node);
  }
  if (check == Check::No) return;
  const auto capacity = world_.capacity.find(task.node);
  if (capacity == world_.capacity.end()) return;  // gone, and the core has not heard of it yet
  require(cpu <= capacity->second, "more CPU was given away than node " + task.node +
                                       " has: " + std::to_string(cpu) + " of " +
                                       std::to_string(capacity->second));
}

void Ledger::give_back(const Task& task) {
  cpu_on_[task.node] -= task.cpu;
  for (const std::uint32_t port : task.ports) ports_on_[task.node].erase(port);
}

bool Ledger::is_healthy(const Task& task) const {
  if (task.to_stop || task.status != kRunning) return false;
  if (task.checked) return task.health == "HEALTHY";
  const std::int64_t now = now_.time_since_epoch().count();
  const std::int64_t since = std::clamp(task.started_ms, task.created_ms, now);
  return now - since >= kHealthyAfterMs;
}

int Ledger::healthy_of(const std::string& service, const std::string& without) const {
  int healthy = 0;
  for (const std::string& id : tasks_of(service)) {
    healthy += id != without && is_healthy(tasks_.at(id)) ? 1 : 0;
  }
  return healthy;
}

int Ledger::staying_of(const std::string& service, const std::string& deployment,
                       const std::string& without) const {
  const auto& ids = tasks_of(service);
  return static_cast<int>(std::count_if(ids.begin(), ids.end(), [&](const std::string& id) {
    const Task& task = tasks_.at(id);
    return id != without && task.deployment == deployment && !task.to_stop &&
           !is_draining(task.node);
  }));
}

int Ledger::wanted_of(const std::string& service) const {
  const auto at = wanted_.find(service);
  return at == wanted_.end() ? 0 : at->second;
}

const std::set<std::string>& Ledger::tasks_of(const std::string& service) const {
  static const std::set<std::string> kNone;
  const auto at = tasks_of_.find(service);
  return at == tasks_of_.end() ? kNone : at->second;
}

const Deployment* Ledger::deployment(const std::string& service, const std::string& number) const {
  const auto at = deployments_.find(key_of(service, number));
  return at == deployments_.end() ? nullptr : &at->second;
}

void Ledger::check_made(const std::string& id, const Task& task) const {
  const auto service = services_.find(task.service);
  require(service != services_.end(), "a task was made for no service: " + id);
  const model::StoredService& data = service->second;
  require(data.status() == "ACTIVE", "a task was made for a service that ends: " + task.service);
  require(task.deployment == data.primary(), "a task was made for an old deployment: " + id);
  const Deployment* deployment = this->deployment(task.service, task.deployment);
  require(deployment != nullptr && deployment->rollout() != Deployment::ROLLOUT_FAILED,
          "a task was made for a deployment that has failed: " + id);
  require(deployment->restart_at().ms() <= now_.time_since_epoch().count(),
          "a task was made while the throttle held it back: " + id);
  require(!is_draining(task.node), "a task was placed on a draining instance: " + id);
  if (task.mover) check_moved(id, task);
  check_resolves(id, task);
  if (!data.daemon()) {
    require(wanted_of(task.service) + 1 <= upper_of(data),
            "more tasks than maximumPercent allows: " + task.service);
    return;
  }
  for (const std::string& other : tasks_of(task.service)) {
    require(tasks_.at(other).node != task.node,
            "two tasks of a DAEMON service on one instance: " + task.service);
  }
}

const std::string& Ledger::zone_of(const std::string& node) const {
  static const std::string kNone;
  const auto at = zones_.find(node);
  return at == zones_.end() ? kNone : at->second;
}

bool Ledger::serves_others(const std::string& node) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& one) {
    const Task& task = one.second;
    if (task.node != node || task.status == kStopped) return false;
    const auto service = services_.find(task.service);
    return service == services_.end() || !service->second.daemon();
  });
}

std::map<std::string, int> Ledger::by_zone(const std::string& service) const {
  std::map<std::string, int> counts;
  for (const std::string& id : tasks_of(service)) {
    const Task& task = tasks_.at(id);
    if (!task.to_stop && !is_draining(task.node)) ++counts[zone_of(task.node)];
  }
  return counts;
}

// Into a zone with at least two fewer, and never beside a rollout.
// Without a digest it is the one that resolves the tag: no other has been about to for less than
// the scheduler waits.
void Ledger::check_resolves(const std::string& id, const Task& task) const {
  constexpr std::int64_t kWait = 10'000;
  if (task.pinned || have_run_.count(task.deployment) > 0) return;
  std::optional<std::int64_t> first;
  for (const std::string& other : tasks_of(task.service)) {
    const Task& one = tasks_.at(other);
    if (one.deployment != task.deployment || one.to_stop) continue;
    first = std::min(first.value_or(one.created_ms), one.created_ms);
  }
  require(!first || task.created_ms < *first || task.created_ms - *first >= kWait,
          "a tag was left to two tasks of a deployment to resolve: " + id);
}

void Ledger::check_moved(const std::string& id, const Task& task) const {
  const model::StoredService& data = services_.at(task.service);
  require(data.availability_zone_rebalancing() == "ENABLED",
          "a task was moved that was to stay: " + id);
  for (const std::string& other : tasks_of(task.service)) {
    require(tasks_.at(other).deployment == task.deployment,
            "a task was moved during a deployment: " + id);
  }
  std::map<std::string, int> zones = by_zone(task.service);
  const int here = zones[zone_of(task.node)];
  int most = 0;
  for (const auto& [zone, tasks] : zones) most = std::max(most, tasks);
  require(most - here >= 2, "a task was moved without need: " + id);
}

void Ledger::check_stopped(const std::string& id, const Task& before,
                           const model::StoredTask& now) const {
  const auto service = services_.find(before.service);
  if (service == services_.end() || service->second.status() != "ACTIVE") return;
  const model::StoredService& data = service->second;
  if (now.stopped_reason() == kForHealth) {
    require(before.health == "UNHEALTHY", "a task that is not unhealthy was stopped for it: " + id);
    return;
  }
  const auto until = protected_until_.find(id);
  const bool guarded =
      until != protected_until_.end() && until->second > now_.time_since_epoch().count();
  require(!guarded || data.daemon() || is_draining(before.node),
          "a protected task was stopped by the scheduler: " + id);
  if (data.daemon() && is_draining(before.node)) {
    require(!serves_others(before.node),
            "a DAEMON's task left a draining instance before the others: " + id);
    return;
  }
  if (!data.daemon() && before.deployment == data.primary() && !is_draining(before.node)) {
    const Deployment* primary = deployment(before.service, data.primary());
    // Beside one that has failed the older ones serve on, also where they should leave.
    const bool failed = primary != nullptr && primary->rollout() == Deployment::ROLLOUT_FAILED;
    const int staying =
        failed ? wanted_of(before.service) - 1 : staying_of(before.service, data.primary(), id);
    require(staying >= data.desired_count(),
            "more was stopped than there was too much: " + before.service + " keeps " +
                std::to_string(staying) + " of " + std::to_string(data.desired_count()));
  }
  if (!is_healthy(before)) return;
  require(healthy_of(before.service, id) >= lower_of(data),
          "fewer healthy tasks than minimumHealthyPercent asks for: " + before.service + " has " +
              std::to_string(healthy_of(before.service, id)));
}

void Ledger::start_leaves(const std::string& id, const std::map<std::string, std::string>& pins,
                          Instant now) {
  const auto at = tasks_.find(id);
  if (at == tasks_.end() || at->second.deployment.empty()) return;
  Pins& known = pinned_[at->second.deployment];
  if (known.since_ms == 0) {
    if (pins.empty()) return;
    known.digests = pins;
    known.since_ms = now.time_since_epoch().count();
    return;
  }
  require(pins == known.digests || (pins.empty() && at->second.created_ms <= known.since_ms),
          "a later task of a deployment was not pinned to its digest: " + id);
}

void Ledger::sweep() const {
  std::map<std::string, std::set<std::string>> all;
  std::map<std::string, int> wanted;
  for (const auto& [id, task] : tasks_) {
    if (task.service.empty() || task.status == kStopped) continue;
    all[task.service].insert(id);
    wanted[task.service] += task.to_stop ? 0 : 1;
  }
  for (const auto& [service, tasks] : tasks_of_) {
    require(all[service] == tasks, "the ledger's own tasks have drifted: " + service);
    require(wanted[service] == wanted_of(service), "the ledger's own count has drifted");
  }
}

}  // namespace berth::sim
