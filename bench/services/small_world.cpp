// SPDX-License-Identifier: Apache-2.0
#include "bench/services/small_world.hpp"

#include <cstdio>
#include <cstdlib>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace berth::bench {
namespace {

constexpr int kCpu = 100;
constexpr int kMemory = 100;

const PluginName& plugin_name() {
  static const PluginName name("ec2");
  return name;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "bench_services: %s\n", why.c_str());
  std::exit(1);
}

v1::Node node_of(int number, std::int64_t tasks) {
  v1::Node node;
  char id[33];
  std::snprintf(id, sizeof id, "%032x", number + 1);
  node.set_id(id);
  node.set_cluster("default");
  node.set_connected(true);
  auto& zone = *node.add_attributes();
  zone.set_name("ecs.availability-zone");
  zone.set_value("zone-" + std::to_string(number % 3));
  for (const auto& [name, each] :
       {std::pair<const char*, std::int64_t>{"CPU", kCpu}, {"MEMORY", kMemory}}) {
    v1::Resource& resource = *node.add_resources();
    resource.set_name(name);
    resource.mutable_counter()->set_total(tasks * each);
  }
  return node;
}

}  // namespace

SmallWorld::SmallWorld(int nodes, int tasks) {
  control::Config config;
  config.service_healthy_after = milliseconds(0);
  core_ = std::make_unique<control::Control>(
      config,
      control::Ports{
          .store = *this,
          .plugins = *this,
          .timers = *this,
          .rng = rng_,
          .halt = [](const Error& error) { give_up(error.message); },
          .post = [this](std::function<void()> work) { posted_.push_back(std::move(work)); }});
  if (!core_->restore(*load(), now_)) give_up("the core does not start");
  core_->plugin_up({plugin_name(), {"EC2"}, {}, false});
  v1::InventorySnapshot snapshot;
  snapshot.set_generation(1);
  const std::int64_t each = static_cast<std::int64_t>(tasks) * 3 / 2 / nodes + 2;
  for (int i = 0; i < nodes; ++i) *snapshot.add_nodes() = node_of(i, each);
  core_->plugin_event(plugin_name(), v1::EVENT_LAUNCH_INVENTORY, snapshot.SerializeAsString());
  settle();
  control::RegisterTaskDefinition definition;
  definition.request.set_family("bench");
  auto& container = *definition.request.add_container_definitions();
  container.set_name("main");
  container.set_image("bench");
  definition.compatibilities = {"EC2"};
  obey(definition);
}

SmallWorld::~SmallWorld() {
  core_.reset();
}

void SmallWorld::obey(control::Command command) {
  core_->submit(std::move(command), [](const Result<control::Answer>& answer) {
    if (!answer) give_up(answer.error().message);
  });
  settle();
}

void SmallWorld::append(store::Epoch, store::Batch batch,
                        std::function<void(Result<store::Sequence>)> done) {
  for (const store::Change& change : batch) written_ += change.key.size() + change.value.size();
  posted_.push_back([done = std::move(done), sequence = ++batches_] { done(sequence); });
}

void SmallWorld::call(const PluginName&, std::uint32_t method, std::string request, milliseconds,
                      std::function<void(Result<std::string>)> done) {
  const auto later = [&](std::string response) {
    posted_.push_back(
        [done, response = std::move(response)]() mutable { done(std::move(response)); });
  };
  if (method == v1::METHOD_LAUNCH_PLAN) {
    v1::PlanResponse plan;
    plan.mutable_requirement()->set_cpu(kCpu);
    plan.mutable_requirement()->set_memory_mib(kMemory);
    return later(plan.SerializeAsString());
  }
  later({});
  if (method == v1::METHOD_LAUNCH_START) {
    v1::StartTaskRequest start;
    start.ParseFromString(request);
    node_of_[start.task_id()] = start.node_id();
    oldest_.push_back(start.task_id());
    if (holds_) {
      held_.push_back(start.task_id());
    } else {
      posted_.push_back([this, id = start.task_id()] { say(id, v1::TASK_PHASE_RUNNING); });
    }
  } else if (method == v1::METHOD_LAUNCH_STOP) {
    v1::StopTaskRequest stop;
    stop.ParseFromString(request);
    posted_.push_back([this, id = stop.task_id()] { say(id, v1::TASK_PHASE_STOPPED); });
  }
}

void SmallWorld::say(const std::string& task, int phase) {
  const auto at = node_of_.find(task);
  if (at == node_of_.end()) return;
  v1::TaskReport report;
  report.set_task_id(task);
  report.set_node_id(at->second);
  report.set_sequence(++sequence_);
  report.set_phase(static_cast<v1::TaskPhase>(phase));
  if (phase == v1::TASK_PHASE_STOPPED) node_of_.erase(at);
  core_->plugin_event(plugin_name(), v1::EVENT_LAUNCH_TASK, report.SerializeAsString());
}

void SmallWorld::settle() {
  do {
    std::deque<std::function<void()>> work;
    std::swap(work, posted_);
    for (auto& one : work) one();
    core_->tick(now_);
  } while (!posted_.empty());
}

int SmallWorld::running() const {
  return core_->state().counts_of(ClusterName("default")).running;
}

void SmallWorld::make_service(int tasks) {
  control::CreateService command;
  command.request.set_service_name("bench");
  command.request.set_task_definition("bench");
  command.request.set_desired_count(tasks);
  obey(command);
  while (running() < tasks) {
    now_ += milliseconds(1);
    const int before = running();
    settle();
    if (running() == before) give_up("the service does not grow");
  }
}

void SmallWorld::scale_to(int tasks) {
  control::UpdateService command;
  command.request.set_service("bench");
  command.request.set_desired_count(tasks);
  obey(command);
  if (running() != tasks) give_up("the service does not follow its count");
}

void SmallWorld::begin_rollout() {
  control::UpdateService command;
  command.request.set_service("bench");
  command.request.set_force_new_deployment(true);
  command.request.mutable_deployment_configuration()->set_maximum_percent(150);
  const int before = running();
  holds_ = true;
  obey(command);
  while (static_cast<int>(held_.size()) < before / 2) {
    const std::size_t started = held_.size();
    now_ += milliseconds(1);
    settle();
    if (held_.size() == started) {
      // The first may be the only one until it has told what the tag of its image stands for.
      if (started != 1) give_up("the rollout does not begin");
      say(held_.front(), v1::TASK_PHASE_RUNNING);
      held_.pop_front();
    }
  }
}

void SmallWorld::roll_one() {
  const int before = running();
  const std::size_t started = held_.size();
  now_ += milliseconds(1);
  say(held_.front(), v1::TASK_PHASE_RUNNING);
  held_.pop_front();
  settle();
  if (running() != before || held_.size() != started) give_up("the rollout does not go on");
}

void SmallWorld::replace_one() {
  const int before = running();
  while (node_of_.count(oldest_.front()) == 0) oldest_.pop_front();
  const std::string id = oldest_.front();
  oldest_.pop_front();
  now_ += milliseconds(1);
  say(id, v1::TASK_PHASE_STOPPED);
  settle();
  if (running() != before) give_up("a task that ended was not replaced");
}

}  // namespace berth::bench
