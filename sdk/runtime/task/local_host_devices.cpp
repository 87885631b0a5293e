// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost about the host's plugins: devices, surroundings and rules that they give to tasks.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/host_files.hpp"
#include "sdk/runtime/task/local_host.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

// Of the interface, as long as the task's directory is there.
constexpr const char* kRulesFile = "interface_rules";

bool wants_devices(const v1::StartTaskRequest& request, const v1::ecs::ContainerDefinition& container) {
  const auto& changes = override_of(request, container.name());
  const auto& wanted = changes.resource_requirements_size() > 0 ? changes.resource_requirements()
                                                                : container.resource_requirements();
  return std::any_of(wanted.begin(), wanted.end(), [](const auto& one) { return one.type() == "GPU"; });
}

void take_rules(const v1::InterfaceRulesResponse& rules, TaskInterface& interface) {
  interface.ingress_rules.assign(rules.ingress().begin(), rules.ingress().end());
  interface.egress_rules.assign(rules.egress().begin(), rules.egress().end());
}

}  // namespace

Result<void> LocalHost::check_devices(const v1::StartTaskRequest& request) const {
  std::map<std::string, int> given;  // by container
  for (const v1::DeviceGrant& grant : request.allocation().devices()) ++given[grant.container()];
  const auto& containers = request.definition().container_definitions();
  for (int i = 0; i < containers.size(); ++i) {
    const bool has = given.erase(containers[i].name()) > 0;
    if (has || !wants_devices(request, containers[i])) continue;
    return sdk::fail(BERTH_INVALID, "No device was given to the container '" + containers[i].name() + "', which asks for one.",
                     "containerDefinitions[" + std::to_string(i) + "].resourceRequirements");
  }
  if (!given.empty()) {
    return sdk::fail(BERTH_INVALID, "A device was given to '" + given.begin()->first + "', which is no container of the task.",
                     "allocation.devices");
  }
  if (request.allocation().devices_size() == 0) return {};
  if (plugins_) return plugins_->check(request.allocation());
  return sdk::fail(BERTH_PRECONDITION, "This host has no devices: its agent has no plugin for any.", "allocation.devices");
}

Result<void> LocalHost::surround(const TaskSpec& task, Endpoint& endpoint, ContainerSpec& spec) {
  if (!plugins_) return {};
  // In other modes each container has a namespace of its own, or none.
  const bool is_shared = task.request.has_task_interface();
  auto around = plugins_->surround(task.request, is_shared ? endpoint.netns_path : "");
  if (!around) return around.error();
  BERTH_FAILPOINT("task.after_surround");
  if (!around->network_namespace.empty()) endpoint.netns_path = around->network_namespace;
  for (v1::OciEdits& edits : around->edits) spec.edits.push_back(std::move(edits));
  return {};
}

Result<void> LocalHost::give_devices(const TaskSpec& task, std::size_t container, ContainerSpec& spec) {
  if (!plugins_ || task.request.allocation().devices_size() == 0) return {};
  BERTH_FAILPOINT("task.before_prepare");
  auto edits = plugins_->prepare(task.request, task.plan.containers[container].name);
  if (!edits) return edits.error();
  BERTH_FAILPOINT("task.after_prepare");
  for (v1::OciEdits& one : *edits) spec.edits.push_back(std::move(one));
  return {};
}

bool LocalHost::take_devices_back(const TaskSpec& task) {
  if (!plugins_) return true;
  BERTH_FAILPOINT("task.before_release");
  for (const auto& done : {plugins_->release(task.request), plugins_->unsurround(task.request.task_id())}) {
    if (done) continue;
    spdlog::warn("tasks: devices of {}: {}", task.request.task_id(), done.error().message);
    return false;
  }
  return true;
}

// The edits are those that it began with: only the plugin's memory is filled.
void LocalHost::remember_devices(const std::vector<TaskSpecPtr>& tasks) {
  if (!plugins_) return;
  for (const TaskSpecPtr& task : tasks) {
    if (task->request.allocation().devices_size() == 0) continue;
    for (std::size_t i = 0; i < task->plan.containers.size(); ++i) {
      const auto view = runtime_->inspect(container_id(task->request.task_id(), i));
      if (!view || view->phase == ContainerPhase::Stopped) continue;
      if (auto again = plugins_->prepare(task->request, task->plan.containers[i].name); !again) {
        spdlog::warn("tasks: devices of {}, which runs on: {}", task->request.task_id(), again.error().message);
      }
    }
  }
}

// On disk before they are in force, so that a sweep finds them without the plugin.
Result<void> LocalHost::add_interface_rules(const TaskSpec& task, TaskInterface& interface) {
  if (!plugins_) return {};
  const std::string& task_id = task.request.task_id();
  const fs::path file = task_dir(task_id) / kRulesFile;
  std::error_code error;
  if (fs::exists(file, error)) {
    find_interface_rules(task_id, interface);
    return {};
  }
  v1::InterfaceRulesRequest request;
  request.set_task_id(task_id);
  request.set_interface(interfaces_->link_name(interface));
  request.set_address(interface.address);
  const auto rules = plugins_->interface_rules(request);
  if (!rules) return rules.error();
  if (rules->ingress_size() + rules->egress_size() == 0) return {};
  take_rules(*rules, interface);
  if (auto checked = interfaces_->check_rules(interface); !checked) return checked;
  if (auto made = make_directory(file.parent_path()); !made) return made;
  return write_file(file, rules->SerializeAsString());
}

void LocalHost::find_interface_rules(const std::string& task_id, TaskInterface& interface) const {
  const auto bytes = state::read_file(task_dir(task_id) / kRulesFile);
  v1::InterfaceRulesResponse rules;
  if (bytes && rules.ParseFromString(*bytes)) take_rules(rules, interface);
}

}  // namespace berth::runtime
