// SPDX-License-Identifier: Apache-2.0
// StartTask, PlanTask and DeregisterContainerInstance; clusters of many hosts.
#include <algorithm>
#include <cstdio>
#include <set>

#include "berth/v1/launch.pb.h"
#include "tests/sim/simulation.hpp"

namespace berth::sim {
namespace {

constexpr std::int64_t kManyHostsCpu = 1000;

}  // namespace

std::string Simulation::some_definition() {
  const std::string name = "work" + std::to_string(pick(4));
  return core_->state().definition({FamilyName(name), 0}) == nullptr ? std::string() : name;
}

std::string Simulation::some_node() {
  if (capacity_.empty()) return {};
  return std::next(capacity_.begin(), static_cast<std::ptrdiff_t>(pick(capacity_.size())))->first;
}

// One task on each instance that is named; where one is named twice, two; none elsewhere.
void Simulation::start_something() {
  control::StartTask command;
  command.request.set_task_definition(some_definition());
  if (command.request.task_definition().empty() || unfinished_alone() >= most_alone()) return;
  std::map<std::string, int> named;
  for (std::uint64_t i = 1 + pick(3); i > 0; --i) {
    const std::string id = odds(10) ? std::string(32, 'f') : some_node();
    if (id.empty()) return;
    command.request.add_container_instances(id);
    ++named[id];
  }
  note("StartTask " + command.request.task_definition());
  ++open_replies_;
  core_->submit(std::move(command), [this, named, life = life_](Result<control::Answer> answer) {
    if (life != life_ || !effect()) return;
    --open_replies_;
    if (!answer) return;
    ++tally_.starts_answered;
    auto left = named;
    const auto& given = std::get<control::RunTaskAnswer>(*answer);
    for (const TaskPtr& task : given.tasks) {
      require(left[task->node.str()]-- > 0,
              "StartTask put a task on an instance that it was not "
              "to use: " +
                  task->node.str());
      require(pruned_.count(task->id) != 0 || durable(task->id.str()) != nullptr,
              "a started task was answered before it was durable: " + task->id.str());
      observe(*task);
    }
    tally_.tasks_placed += given.tasks.size();
    int asked = 0;
    for (const auto& [node, times] : named) asked += times;
    require(static_cast<int>(given.tasks.size()) + static_cast<int>(given.failures.size()) >= asked,
            "StartTask left an instance without a word");
  });
}

// What it says would go is no more than was asked for, and nothing of it is there afterwards.
void Simulation::plan_something() {
  control::PlanTask command;
  command.request.set_task_definition(some_definition());
  if (command.request.task_definition().empty()) return;
  const int count = 1 + static_cast<int>(pick(8));
  command.request.set_count(count);
  ++open_replies_;
  core_->submit(std::move(command), [this, count, life = life_](Result<control::Answer> answer) {
    if (life != life_ || !effect()) return;
    --open_replies_;
    if (!answer) return;
    ++tally_.plans_answered;
    const auto& plan = std::get<control::PlanTaskAnswer>(*answer);
    int placed = 0;
    for (const auto& place : plan.places) placed += place.tasks;
    require(plan.count == count && plan.placed == placed && placed <= count,
            "PlanTask counts what it does not say");
    check_reservations();
  });
}

// A question reserves nothing, and each unfinished task at most once.
void Simulation::check_reservations() const {
  std::size_t unfinished = 0;
  for (const auto& [id, task] : core_->state().tasks()) {
    unfinished += task->last_status != TaskStatus::Stopped ? 1 : 0;
  }
  require(core_->placement_stats().reservations <= unfinished,
          "placement holds more than there are tasks");
}

// For ever; with its tasks. One that is not away, since its plugin must hear of it.
void Simulation::deregister_a_node() {
  const std::string id = some_node();
  if (id.empty() || away_.count(id) != 0) return;
  const ContainerInstancePtr instance = core_->state().instance(NodeId(id));
  if (!instance || instance->status == InstanceStatus::Inactive) return;
  note("DeregisterContainerInstance " + id);
  ++open_replies_;
  core_->submit(control::DeregisterInstance{ClusterName("default"), id, odds(80)},
                [this, id, life = life_](Result<control::Answer> answer) {
                  if (life != life_ || !effect()) return;
                  --open_replies_;
                  if (!answer) return;
                  ++tally_.deregistered;
                  const auto& given = std::get<control::InstancesAnswer>(*answer);
                  require(given.instances.size() == 1 && given.instances[0] != nullptr &&
                              given.instances[0]->status == InstanceStatus::Inactive,
                          "a deregistered instance is not INACTIVE: " + id);
                  require(capacity_.count(id) == 0,
                          "a deregistration was answered before its plugin had let go: " + id);
                });
}

// The plugin works on the n-th call; what it let go of is no more of this world.
void Simulation::work_on(std::size_t index, const std::string& mode) {
  const std::string gone = plugin_.command("work " + std::to_string(index) + " " + mode);
  if (gone.empty()) return;
  capacity_.erase(gone);
  away_.erase(gone);
}

// All at once, as at the start of a large cluster.
void Simulation::bring_hosts(int count) {
  for (int i = 0; i < count; ++i) {
    char id[33];
    std::snprintf(id, sizeof id, "%032x", ++next_node_);
    capacity_[id] = kManyHostsCpu;
    plugin_.command("node " + std::string(id) + " " + std::to_string(kManyHostsCpu) + " 4096");
  }
}

std::size_t Simulation::unfinished_alone() const {
  std::size_t unfinished = 0;
  for (const auto& [id, task] : core_->state().tasks()) {
    const bool alone = task->launch->service.empty();
    unfinished += alone && task->last_status != TaskStatus::Stopped ? 1 : 0;
  }
  return unfinished;
}

}  // namespace berth::sim
