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
  const ContainerInstancePtr instance = desk_.state().instance(id);
  if (!instance || instance->status == InstanceStatus::Inactive) {
    return desk_.answer(reply, fail(Errc::NotFound, "There is no agent '" + command.agent + "'.",
                                    Subject::ContainerInstance, command.agent));
  }
  const TaskCounts counts = desk_.state().counts_on(id);
  if (const int tasks = counts.running + counts.pending; tasks > 0 && !command.force) {
    return desk_.answer(reply,
                        fail(Errc::Precondition,
                             "Agent '" + command.agent + "' has " + std::to_string(tasks) +
                                 (tasks == 1 ? " task" : " tasks") +
                                 ": stop them first, or remove it by force, which ends them.",
                             Subject::ContainerInstance, command.agent));
  }
  let_go(*instance, [this, id, reply = std::move(reply)](const Result<void>& done) {
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
  let_go(*instance, [this, id, reply = std::move(reply)](const Result<void>& done) {
    if (!done) return desk_.answer(reply, tl::unexpected(done.error()));
    desk_.answer(reply, Answer(InstancesAnswer{{desk_.state().instance(id)}, {}}));
  });
}

void Removals::let_go(const ContainerInstance& instance, std::function<void(Result<void>)> then) {
  v1::UpdateNodeRequest request;
  request.set_node_id(instance.id.str());
  request.set_wish(v1::UpdateNodeRequest::WISH_DEREGISTER);
  plugins_.call({instance.plugin, v1::METHOD_LAUNCH_UPDATE_NODE, request.SerializeAsString()},
                [this, id = instance.id, then = std::move(then)](const Result<std::string>& done) {
                  if (!done) return then(tl::unexpected(done.error()));
                  nodes_.withdraw(id);  // where the plugin's inventory has not said so before
                  then({});
                });
}

}  // namespace berth::control
