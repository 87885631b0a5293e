// SPDX-License-Identifier: Apache-2.0
#include "core/control/definitions.hpp"

#include <limits>
#include <utility>

#include "core/model/arn.hpp"

namespace berth::control {
namespace {

// Members of the same name mean the same in request and record.
ecs::TaskDefinition message_of(const model::RegisterTaskDefinitionRequest& request) {
  ecs::TaskDefinition message;
  message.set_family(request.family());
  *message.mutable_container_definitions() = request.container_definitions();
  *message.mutable_volumes() = request.volumes();
  *message.mutable_placement_constraints() = request.placement_constraints();
  *message.mutable_requires_compatibilities() = request.requires_compatibilities();
  *message.mutable_inference_accelerators() = request.inference_accelerators();
  if (request.has_task_role_arn()) message.set_task_role_arn(request.task_role_arn());
  if (request.has_execution_role_arn())
    message.set_execution_role_arn(request.execution_role_arn());
  if (request.has_network_mode()) message.set_network_mode(request.network_mode());
  if (request.has_cpu()) message.set_cpu(request.cpu());
  if (request.has_memory()) message.set_memory(request.memory());
  if (request.has_pid_mode()) message.set_pid_mode(request.pid_mode());
  if (request.has_ipc_mode()) message.set_ipc_mode(request.ipc_mode());
  if (request.has_enable_fault_injection()) {
    message.set_enable_fault_injection(request.enable_fault_injection());
  }
  if (request.has_proxy_configuration()) {
    *message.mutable_proxy_configuration() = request.proxy_configuration();
  }
  if (request.has_ephemeral_storage()) {
    *message.mutable_ephemeral_storage() = request.ephemeral_storage();
  }
  if (request.has_runtime_platform()) {
    *message.mutable_runtime_platform() = request.runtime_platform();
  }
  return message;
}

}  // namespace

void Definitions::add(const RegisterTaskDefinition& command, const Reply& reply) {
  const FamilyName family(command.request.family());
  const auto& families = desk_.state().families();
  const auto known = families.find(family);
  const std::int32_t last = known == families.end() ? 0 : known->second.last_revision;
  if (last == std::numeric_limits<std::int32_t>::max()) {
    return desk_.answer(reply, fail(Errc::Invalid, "The family has no revision numbers left.",
                                    Subject::Definition, "family"));
  }
  TaskDefinition definition;
  definition.id = {family, last + 1};
  definition.message = message_of(command.request);
  definition.message.set_revision(definition.id.revision);
  definition.message.set_status("ACTIVE");
  definition.message.mutable_registered_at()->set_ms(desk_.now().time_since_epoch().count());
  if (!command.registered_by.empty()) definition.message.set_registered_by(command.registered_by);
  definition.message.mutable_requires_attributes()->Assign(command.requires_attributes.begin(),
                                                           command.requires_attributes.end());
  definition.message.mutable_compatibilities()->Assign(command.compatibilities.begin(),
                                                       command.compatibilities.end());
  definition.tags.assign(command.request.tags().begin(), command.request.tags().end());
  definition.unknown_members_json = command.unknown_members_json;
  const DefinitionId id = definition.id;
  desk_.save_revision(family, id.revision);
  desk_.save(std::move(definition));
  desk_.answer(reply, Answer(desk_.state().definition(id)));
}

void Definitions::deregister(const DeregisterTaskDefinition& command, const Reply& reply) {
  auto done = inactivate(command.request.task_definition());
  if (!done) return desk_.answer(reply, tl::unexpected(done.error()));
  desk_.answer(reply, Answer(std::move(*done)));
}

Result<TaskDefinitionPtr> Definitions::inactivate(const std::string& name) {
  auto id = parse_definition(name);
  if (!id) return tl::unexpected(id.error());
  if (id->revision == 0) {
    return fail(Errc::Invalid, "Revision is missing.", Subject::TaskDefinition, name);
  }
  const TaskDefinitionPtr definition = desk_.state().definition(*id);
  if (!definition) {
    return fail(Errc::NotFound, "Unable to describe task definition.", Subject::TaskDefinition,
                name);
  }
  if (!definition->active()) return definition;
  TaskDefinition inactive = *definition;
  inactive.message.set_status("INACTIVE");
  inactive.message.mutable_deregistered_at()->set_ms(desk_.now().time_since_epoch().count());
  desk_.save(std::move(inactive));
  return desk_.state().definition(*id);
}

}  // namespace berth::control
