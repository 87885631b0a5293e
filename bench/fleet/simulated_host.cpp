// SPDX-License-Identifier: Apache-2.0
#include "bench/fleet/simulated_host.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

#include "berth/plugin_abi.h"
#include "berth/v1/plugin.pb.h"

namespace berth::bench {
namespace {

constexpr std::int32_t kWholeDevice = 1000;
constexpr const char* kDigest =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string device_id(const HostPlan& plan, std::int32_t device) {
  return "GPU-" + std::to_string(plan.number) + "-" + std::to_string(device);
}

void add_gpus(const HostPlan& plan, v1::Node& node) {
  if (plan.gpus == 0) return;
  v1::Resource& resource = *node.add_resources();
  resource.set_name("GPU");
  for (std::int32_t i = 0; i < plan.gpus; ++i) {
    v1::Device& device = *resource.mutable_device_set()->add_devices();
    device.set_id(device_id(plan, i));
    device.set_type("GPU");
    device.set_model(plan.gpu_model);
    device.set_share_milli(kWholeDevice);
    device.set_healthy(true);
  }
}

// What an EC2 host of the same size says of itself.
fleet::v1::Registration registration_of(const HostPlan& plan) {
  fleet::v1::Registration registration;
  v1::Node& node = *registration.mutable_node();
  char id[24];
  std::snprintf(id, sizeof id, "i-%017x", static_cast<unsigned>(plan.number));
  node.set_cluster("default");
  node.set_agent_version("bench");
  node.set_runtime_version("none");
  node.set_ec2_instance_id(id);
  const auto attribute = [&](const char* name, const std::string& value) {
    auto& one = *node.add_attributes();
    one.set_name(name);
    if (!value.empty()) one.set_value(value);
  };
  attribute("ecs.os-type", "linux");
  attribute("ecs.os-family", "LINUX");
  attribute("ecs.cpu-architecture", "x86_64");
  attribute("ecs.availability-zone", "zone-" + std::to_string(plan.number % plan.zones));
  for (const char* capability :
       {"com.amazonaws.ecs.capability.docker-remote-api.1.18",
        "com.amazonaws.ecs.capability.docker-remote-api.1.21", "ecs.capability.task-eni",
        "ecs.capability.execution-role-awslogs", "ecs.capability.container-health-check",
        "com.amazonaws.ecs.capability.logging-driver.json-file"}) {
    attribute(capability, "");
  }
  for (const auto& [name, value] : plan.attributes) attribute(name.c_str(), value);
  for (const auto& [name, total] : {std::pair<const char*, std::int64_t>{"CPU", plan.cpu},
                                    {"MEMORY", plan.memory_mib},
                                    {"ENI", 1000}}) {
    v1::Resource& resource = *node.add_resources();
    resource.set_name(name);
    resource.mutable_counter()->set_total(total);
  }
  add_gpus(plan, node);
  for (const char* name : {"PORTS", "PORTS_UDP"}) {
    v1::Resource& ports = *node.add_resources();
    ports.set_name(name);
    for (const char* port : {"22", "2375", "2376", "51678"}) {
      ports.mutable_exclusive_set()->add_reserved(port);
    }
  }
  return registration;
}

}  // namespace

void FleetCounts::connect() {
  const std::lock_guard lock(mutex_);
  ++connected_;
  changed_.notify_all();
}

void FleetCounts::disconnect() {
  ++lost;
  const std::lock_guard lock(mutex_);
  --connected_;
}

bool FleetCounts::await_connected(int hosts, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return connected_ >= hosts; });
}

int FleetCounts::connected() const {
  const std::lock_guard lock(mutex_);
  return connected_;
}

sdk::Result<std::unique_ptr<SimulatedHost>> SimulatedHost::open(const HostPlan& plan,
                                                                FleetCounts& counts,
                                                                std::shared_ptr<fleet::Loop> loop) {
  Amounts offers{{"CPU", plan.cpu}, {"MEMORY", plan.memory_mib}};
  for (std::int32_t i = 0; i < plan.gpus; ++i) offers[device_id(plan, i)] = kWholeDevice;
  std::unique_ptr<SimulatedHost> host(new SimulatedHost(counts, std::move(offers)));
  fleet::ClientConfig config{.server = plan.server,
                             .join_token = plan.join_token,
                             .identity_file = plan.directory / std::to_string(plan.number)};
  config.dial_timeout = std::chrono::minutes(2);  // a thousand dial at once
  auto client = fleet::Client::open(std::move(config), registration_of(plan), host->events(),
                                    std::move(loop));
  if (!client) return client.error();
  host->client_ = std::move(*client);
  return host;
}

fleet::ClientEvents SimulatedHost::events() {
  return {.call = [this](const fleet::AgentCall& call) { take(call); },
          .cancel = [](std::uint64_t) {},
          .input = {},
          .connected = [this](const std::string&) { counts_.connect(); },
          .disconnected = [this](const std::string&) { counts_.disconnect(); },
          .removed = [](const std::string&) {},
          .log =
              [](int level, const std::string& line) {
                if (level == BERTH_LOG_ERROR) std::fprintf(stderr, "host: %s\n", line.c_str());
              }};
}

void SimulatedHost::take(const fleet::AgentCall& call) {
  switch (call.method) {
    case v1::METHOD_LAUNCH_START:
      return begin(call);
    case v1::METHOD_LAUNCH_STOP:
      return end(call);
    case v1::METHOD_LAUNCH_LIST_OWNED:
      return list(call);
    case v1::METHOD_LAUNCH_FORGET:
      return forget(call);
    default:
      client_->done(call.id, BERTH_UNIMPLEMENTED);
  }
}

// What it takes stays taken until it has stopped.
void SimulatedHost::book(const v1::StartTaskRequest& request, Amounts& takes) {
  takes["CPU"] = request.requirement().cpu();
  takes["MEMORY"] = request.requirement().memory_mib();
  for (const auto& grant : request.allocation().devices()) {
    takes[grant.device_id()] += grant.share_milli();
  }
  bool enough = true;
  for (const auto& [what, amount] : takes) enough = (left_[what] -= amount) >= 0 && enough;
  if (!enough) ++counts_.overbooked;
}

// As the agent: an answer once it is taken over, a report when the image is there, one when it
// runs.
void SimulatedHost::begin(const fleet::AgentCall& call) {
  v1::StartTaskRequest request;
  if (!request.ParseFromString(call.request)) return client_->done(call.id, BERTH_INVALID);
  const auto [at, first] = tasks_.try_emplace(request.task_id());
  client_->done(call.id, BERTH_OK);
  if (!first) return client_->report(at->second.report);
  ++counts_.started;
  book(request, at->second.takes);
  v1::TaskReport& report = at->second.report;
  const std::int64_t now = now_ms();
  report.set_task_id(request.task_id());
  report.set_sequence(1);
  report.set_phase(v1::TASK_PHASE_PENDING);
  report.mutable_pull_started_at()->set_ms(now);
  for (const auto& definition : request.definition().container_definitions()) {
    v1::ContainerReport& container = *report.add_containers();
    container.set_name(definition.name());
    container.set_last_status("PENDING");
    container.set_image_digest(kDigest);
  }
  report.mutable_pull_stopped_at()->set_ms(now);
  client_->report(report);
  report.set_sequence(2);
  report.set_phase(v1::TASK_PHASE_RUNNING);
  report.mutable_started_at()->set_ms(now);
  for (v1::ContainerReport& container : *report.mutable_containers()) {
    container.set_last_status("RUNNING");
    container.set_runtime_id(request.task_id() + "-" + container.name());
  }
  client_->report(report);
}

void SimulatedHost::end(const fleet::AgentCall& call) {
  v1::StopTaskRequest request;
  if (!request.ParseFromString(call.request)) return client_->done(call.id, BERTH_INVALID);
  const auto at = tasks_.find(request.task_id());
  if (at == tasks_.end()) {
    v1::Failure failure;
    failure.set_message("no task " + request.task_id());
    return client_->done(call.id, BERTH_NOT_FOUND, failure.SerializeAsString());
  }
  client_->done(call.id, BERTH_OK);
  v1::TaskReport& report = at->second.report;
  if (report.phase() != v1::TASK_PHASE_STOPPED) {
    ++counts_.stopped;
    for (const auto& [what, amount] : at->second.takes) left_[what] += amount;
    report.set_sequence(report.sequence() + 1);
    report.set_phase(v1::TASK_PHASE_STOPPED);
    report.mutable_stopped_at()->set_ms(now_ms());
    for (v1::ContainerReport& container : *report.mutable_containers()) {
      container.set_last_status("STOPPED");
      container.set_exit_code(0);
    }
  }
  client_->report(report);
}

void SimulatedHost::list(const fleet::AgentCall& call) {
  v1::ListOwnedResponse response;
  for (const auto& [id, task] : tasks_) *response.add_tasks() = task.report;
  client_->done(call.id, BERTH_OK, response.SerializeAsString());
}

void SimulatedHost::forget(const fleet::AgentCall& call) {
  v1::ForgetTasksRequest request;
  if (!request.ParseFromString(call.request)) return client_->done(call.id, BERTH_INVALID);
  std::vector<std::string> gone;
  for (const std::string& id : request.task_ids()) {
    const auto at = tasks_.find(id);
    if (at == tasks_.end() || at->second.report.phase() == v1::TASK_PHASE_STOPPED)
      gone.push_back(id);
  }
  for (const std::string& id : gone) tasks_.erase(id);
  client_->forget_reports(gone);
  client_->done(call.id, BERTH_OK);
}

}  // namespace berth::bench
