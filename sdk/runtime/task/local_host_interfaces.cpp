// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost for tasks with an interface of their own (network mode awsvpc).
#include <spdlog/spdlog.h>

#include <utility>

#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/task/interface_of.hpp"
#include "sdk/runtime/task/local_host.hpp"

namespace berth::runtime {
namespace {

std::vector<std::string> ids_of(const std::vector<SecurityGroup>& groups) {
  std::vector<std::string> ids;
  for (const SecurityGroup& group : groups) ids.push_back(group.id);
  return ids;
}

}  // namespace

// Others hear of it first: their groups are ready when its containers begin to talk.
sdk::Result<Endpoint> LocalHost::attach_interface(const TaskSpec& task) {
  auto interface = interface_of(task.request);
  if (!interface) return interface.error();
  if (listener_) listener_(interface->address, ids_of(interface->groups), true);
  auto netns = interfaces_->attach(*interface);
  if (!netns) return netns.error();
  Endpoint endpoint;
  endpoint.id = interface->id;
  endpoint.netns_path = std::move(*netns);
  endpoint.address = interface->address;
  endpoint.gateway = interface->gateway;
  endpoint.prefix_length = interface->prefix_length;
  return endpoint;
}

bool LocalHost::detach_interface(const TaskSpec& task) {
  if (!task.request.has_task_interface()) return true;
  const auto detached = interfaces_->detach(task.request.task_id());
  if (!detached) {
    spdlog::warn("tasks: interface of {}: {}", task.request.task_id(), detached.error().message);
    return false;
  }
  if (listener_) listener_(task.request.task_interface().address(), {}, false);
  return true;
}

void LocalHost::sweep_interfaces(const std::vector<TaskSpecPtr>& tasks) {
  std::vector<TaskInterface> live;
  for (const TaskSpecPtr& task : tasks) {
    if (!task->request.has_task_interface()) continue;
    auto interface = interface_of(task->request);
    if (!interface) continue;  // checked when it was taken over
    live.push_back(std::move(*interface));
  }
  const auto swept = interfaces_->sweep(live);
  if (!swept) return spdlog::warn("tasks: sweep of the interfaces: {}", swept.error().message);
  for (const TaskInterface& interface : live) {
    // Stopped tasks have none any more, whatever their record says.
    if (listener_ && is_netns(interfaces_->netns_path(interface.id))) {
      listener_(interface.address, ids_of(interface.groups), true);
    }
  }
  for (const std::string& id : *swept)
    spdlog::info("tasks: removed the interface {} of no task", id);
}

void LocalHost::take(const PeerNews& news) {
  for (const std::string& complaint : interfaces_->take(news)) spdlog::warn("tasks: {}", complaint);
}

}  // namespace berth::runtime
