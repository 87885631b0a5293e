// SPDX-License-Identifier: Apache-2.0
#include "core/control/removals.hpp"

#include <functional>
#include <string>
#include <utility>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace berth::control {

void Removals::remove(const RemoveAgent& command, Reply reply) {
  const NodeId id(command.agent);
  const auto& waiting = desk_.state().waiting_nodes();
  if (const auto at = waiting.find(id); at != waiting.end()) {
    return remove_agent(at->second.plugin, id, std::move(reply));
  }
  const ContainerInstancePtr instance = desk_.state().instance(id);
  if (!instance || instance->status == InstanceStatus::Inactive) {
    return desk_.answer(reply, fail(Errc::NotFound, "There is no agent '" + command.agent + "'.",
                                    Subject::ContainerInstance, command.agent));
  }
  const TaskCounts counts = desk_.state().counts_on(id);
  if (const int tasks = counts.running + counts.pending; tasks > 0 && !command.force) {
    return desk_.answer(
        reply, fail(Errc::Precondition,
                    "Agent '" + command.agent + "' has " + std::to_string(tasks) +
                        (tasks == 1 ? " task" : " tasks") +
                        ": stop them first, or remove it with --force (force: true), which "
                        "ends them.",
                    Subject::ContainerInstance, command.agent));
  }
  remove_agent(instance->plugin, id, std::move(reply));
}

void Removals::remove_agent(const PluginName& plugin, const NodeId& id, Reply reply) {
  let_go(plugin, id, [this, id, reply = std::move(reply)](const Result<void>& done) {
    if (!done) return desk_.answer(reply, tl::unexpected(done.error()));
    desk_.answer(reply, Answer(RemoveAgentAnswer{id}));
  });
}

void Removals::remove(const DeregisterInstance& command, Reply reply) {
  const NodeId id(command.instance);
  const ContainerInstancePtr instance = desk_.state().instance(id);
  if (!instance || instance->cluster != command.cluster ||
      instance->status == InstanceStatus::Inactive) {
    return desk_.answer(reply,
                        fail(Errc::NotFound, "The specified container instance was not found.",
                             Subject::Request, "containerInstance"));
  }
  const TaskCounts counts = desk_.state().counts_on(id);
  if (counts.running + counts.pending > 0 && !command.force) {
    return desk_.answer(reply, fail(Errc::Invalid, "Found running tasks on the instance.",
                                    Subject::Request, "containerInstance"));
  }
  let_go(instance->plugin, id, [this, id, reply = std::move(reply)](const Result<void>& done) {
    if (!done) return desk_.answer(reply, tl::unexpected(done.error()));
    desk_.answer(reply, Answer(InstancesAnswer{{desk_.state().instance(id)}, {}}));
  });
}

void Removals::let_go(const PluginName& plugin, const NodeId& id,
                      std::function<void(Result<void>)> then) {
  nodes_.hold(id);  // nothing is placed there while its plugin is being asked
  v1::UpdateNodeRequest request;
  request.set_node_id(id.str());
  request.set_wish(v1::UpdateNodeRequest::WISH_DEREGISTER);
  plugins_.call({plugin, v1::METHOD_LAUNCH_UPDATE_NODE, request.SerializeAsString()},
                [this, id, then = std::move(then)](const Result<std::string>& done) {
                  if (!done) {
                    nodes_.let_go_on(id);
                    return then(tl::unexpected(done.error()));
                  }
                  nodes_.withdraw(id);  // where the plugin's inventory has not said so before
                  then({});
                });
}

}  // namespace berth::control
