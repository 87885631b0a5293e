// SPDX-License-Identifier: Apache-2.0
#include "core/control/removals.hpp"

#include <string>
#include <utility>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace berth::control {

void Removals::remove(const RemoveAgent& command, Reply reply) {
  const NodeId id(command.agent);
  const auto& waiting = desk_.state().waiting_nodes();
  if (const auto at = waiting.find(id); at != waiting.end()) {
    return let_go(at->second.plugin, id, false, std::move(reply));
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
  // Nothing is placed there while its plugin is being asked.
  const bool was_active = instance->status == InstanceStatus::Active;
  if (was_active) nodes_.set_status(id, InstanceStatus::Draining);
  let_go(instance->plugin, id, was_active, std::move(reply));
}

void Removals::let_go(const PluginName& plugin, const NodeId& id, bool was_active, Reply reply) {
  v1::UpdateNodeRequest request;
  request.set_node_id(id.str());
  request.set_wish(v1::UpdateNodeRequest::WISH_DEREGISTER);
  plugins_.call({plugin, v1::METHOD_LAUNCH_UPDATE_NODE, request.SerializeAsString()},
                [this, id, was_active, reply = std::move(reply)](const Result<std::string>& done) {
                  if (!done) {
                    const ContainerInstancePtr kept = desk_.state().instance(id);
                    if (was_active && kept && kept->status == InstanceStatus::Draining) {
                      nodes_.set_status(id, InstanceStatus::Active);
                    }
                    return desk_.answer(reply, tl::unexpected(done.error()));
                  }
                  desk_.answer(reply, Answer(RemoveAgentAnswer{id}));
                });
}

}  // namespace berth::control
