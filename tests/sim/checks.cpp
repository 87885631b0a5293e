// SPDX-License-Identifier: Apache-2.0
// What must hold, whatever happens: counted independently of the core.
#include <sstream>

#include "berth/model/stored.pb.h"
#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"
#include "tests/sim/faulty_store.hpp"
#include "tests/sim/simulation.hpp"

namespace berth::sim {
namespace {

constexpr int kRunning = static_cast<int>(TaskStatus::Running);
constexpr int kStopped = static_cast<int>(TaskStatus::Stopped);

model::StoredTask parse(const std::string& bytes) {
  model::StoredTask task;
  task.ParseFromString(bytes);
  return task;
}

int rank_of(const Task& task) {
  if (!task.report || task.report->containers_size() == 0) return 0;
  const std::string& status = task.report->containers(0).last_status();
  return status == "STOPPED" ? 2 : status == "RUNNING" ? 1 : 0;
}

}  // namespace

const std::string* Simulation::durable(const std::string& task) const {
  return disk_.find(store::Kind::Task, task);
}

// Effects leave only after their cause is durable.
void Simulation::check_call(std::uint32_t method, const std::string& request) {
  if (method == v1::METHOD_LAUNCH_START) {
    v1::StartTaskRequest start;
    start.ParseFromString(request);
    const std::string* bytes = durable(start.task_id());
    require(bytes != nullptr, "a start left before its task was durable: " + start.task_id());
    const model::StoredTask task = parse(*bytes);
    require(task.last_status() != kStopped,
            "a start left for a task that is STOPPED: " + task.id());
    require(!task.desired_stopped(), "a start left for a task that is to stop: " + task.id());
    require(!task.start_acknowledged(),
            "a start left for a task that was taken over: " + task.id());
    require(task.node() == start.node_id(), "a start left for another node than the recorded one");
    ledger_.start_leaves(start.task_id(),
                         {start.pinned_digests().begin(), start.pinned_digests().end()}, now_);
  } else if (method == v1::METHOD_LAUNCH_STOP) {
    v1::StopTaskRequest stop;
    stop.ParseFromString(request);
    const std::string* bytes = durable(stop.task_id());
    require(bytes == nullptr || parse(*bytes).desired_stopped(),
            "a stop left before it was durable: " + stop.task_id());
  } else if (method == v1::METHOD_LAUNCH_FORGET) {
    v1::ForgetTasksRequest forget;
    forget.ParseFromString(request);
    for (const std::string& id : forget.task_ids()) {
      const std::string* bytes = durable(id);
      require(bytes == nullptr || parse(*bytes).last_status() == kStopped,
              "a task was to be forgotten before its end was durable: " + id);
    }
  }
}

void Simulation::check_answer(const Ask& ask, const control::RunTaskAnswer& answer) {
  std::set<TaskId> ids;
  for (const TaskPtr& task : answer.tasks) {
    ids.insert(task->id);
    require(pruned_.count(task->id) != 0 || durable(task->id.str()) != nullptr,
            "a task was answered before it was durable: " + task->id.str());
    observe(*task);
  }
  for (const auto& failure : answer.failures) {
    if (failure.reason == "MISSING")
      ids.insert(TaskId(failure.arn.substr(failure.arn.size() - 32)));
  }
  tally_.tasks_placed += ids.size();
  require(static_cast<int>(ids.size()) <= ask.count, "more tasks than were asked for");
  if (ask.token.empty() || ids.empty()) return;
  const auto [known, first] = made_by_token_.emplace(ask.token, ids);
  require(first || known->second == ids, "one client token made two sets of tasks: " + ask.token);
}

// What has been shown of a task may only be followed by what comes later.
void Simulation::observe(const Task& task) {
  if (pruned_.count(task.id) != 0) return;  // an answer that was on its way
  Shown& shown = shown_[task.id];
  require(task.last_status >= shown.status, "a status went back: " + task.id.str());
  require(task.version >= shown.version, "a version went back: " + task.id.str());
  require(!shown.stop_promised || task.desired_status == DesiredStatus::Stopped,
          "a promised stop was lost: " + task.id.str());
  const int rank = rank_of(task);
  require(rank >= shown.container_rank, "a container's status went back: " + task.id.str());
  const std::uint64_t sequence = task.report ? task.report->sequence() : 0;
  require(sequence >= shown.sequence || task.last_status < TaskStatus::Running,
          "a report went back: " + task.id.str());
  shown.status = task.last_status;
  shown.version = task.version;
  shown.container_rank = rank;
  shown.sequence = std::max(shown.sequence, sequence);
}

void Simulation::check_state() {
  const control::State& state = core_->state();
  std::map<NodeId, std::int64_t> cpu;
  std::map<NodeId, std::set<std::uint32_t>> ports;
  int unfinished = 0;
  for (const auto& [id, task] : state.tasks()) {
    if (task->last_status == TaskStatus::Stopped) continue;
    ++unfinished;
    cpu[task->node] += task->launch->requirement.cpu();
    for (const auto& port : task->launch->requirement.ports()) {
      require(ports[task->node].insert(port.number()).second,
              "a port was given twice on node " + task->node.str());
    }
  }
  for (const auto& [node, sum] : cpu) {
    const auto capacity = capacity_.find(node.str());
    if (capacity == capacity_.end()) continue;  // gone, and the core has not heard of it yet
    require(sum <= capacity->second, "more CPU was given away than node " + node.str() + " has");
  }
  require(state.unfinished_in(ClusterName("default")) == unfinished, "a count has drifted");
  for (const auto& [id, shown] : shown_) {
    require(state.task(id) != nullptr, "an acknowledged task was lost: " + id.str());
  }
}

// The ledger has seen that its time was over.
void Simulation::task_erased(const TaskId& id) {
  if (shown_.erase(id) > 0) ++tally_.pruned;
  pruned_.insert(id);
}

void Simulation::check_world() {
  if (!plugin_.runs()) return;
  std::istringstream lines(plugin_.command("tasks"));
  std::map<std::string, std::int64_t> cpu;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::string id;
    std::string node;
    int phase = 0;
    int runs = 0;
    std::int64_t units = 0;
    in >> id >> node >> phase >> runs >> units;
    require(runs <= 1, "a task ran twice: " + id);
    const TaskPtr record = phase == kRunning ? core_->state().task(TaskId(id)) : nullptr;
    require(record == nullptr || record->last_status != TaskStatus::Stopped,
            "a task that runs is recorded as STOPPED: " + id);
    if (phase != kStopped) cpu[node] += units;
  }
  for (const auto& [node, sum] : cpu) {
    const auto capacity = capacity_.find(node);
    require(capacity != capacity_.end(), "a task runs on a node that is gone: " + node);
    require(sum <= capacity->second, "the tasks that run exceed node " + node);
  }
}

// Records and world agree, and nobody waits for an answer.
void Simulation::check_converged() {
  require(open_replies_ == 0, std::to_string(open_replies_) + " calls were never answered");
  std::map<std::string, int> phases;
  std::istringstream lines(plugin_.command("tasks"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::string id;
    std::string node;
    int phase = 0;
    in >> id >> node >> phase;
    phases[id] = phase;
  }
  for (const auto& [id, task] : core_->state().tasks()) {
    const auto there = phases.find(id.str());
    const int phase = there == phases.end() ? kStopped : there->second;
    // Services go on replacing what cannot run: what began a moment ago is on its way.
    const Instant moment = now_ - std::chrono::minutes(2);
    if (!task->launch->service.empty() &&
        (task->launch->created_at > moment || task->stopping_at.value_or(moment) > moment)) {
      phases.erase(id.str());
      continue;
    }
    const TaskStatus wanted =
        task->desired_status == DesiredStatus::Running ? TaskStatus::Running : TaskStatus::Stopped;
    require(task->last_status == wanted, "a task never became what it should: " + id.str() +
                                             " is " + std::string(to_string(task->last_status)));
    require(phase == static_cast<int>(wanted),
            "records and world differ about " + id.str() + ": " + std::to_string(phase));
    if (there != phases.end()) phases.erase(there);
    if (wanted == TaskStatus::Stopped) ++tally_.tasks_stopped;
  }
  for (const auto& [id, phase] : phases) {
    require(phase == kStopped, "something runs that no record knows: " + id);
  }
}

}  // namespace berth::sim
