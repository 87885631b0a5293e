// SPDX-License-Identifier: Apache-2.0
#include "sdk/hosts/agent_refusals.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "sdk/runtime/log/log_options.hpp"
#include "sdk/runtime/options/check.hpp"

namespace berth::hosts {
namespace {

using v1::ecs::ContainerDefinition;
using v1::ecs::ContainerOverride;
using v1::ecs::TaskDefinition;
using v1::ecs::TaskOverride;

// A member, and whether a message sets it to something that would have to be acted on.
template <typename Message>
struct Member {
  const char* name;
  bool (*is_set)(const Message&);
};

bool is_other_system(const TaskDefinition& d) {
  const auto& family = d.runtime_platform().operating_system_family();
  return !family.empty() && family != "LINUX";
}

bool is_other_architecture(const TaskDefinition& d) {
  const auto& architecture = d.runtime_platform().cpu_architecture();
  return !architecture.empty() && architecture != "X86_64" && architecture != "ARM64";
}

constexpr Member<TaskDefinition> kTaskMembers[] = {
    {"runtimePlatform.operatingSystemFamily", is_other_system},
    {"runtimePlatform.cpuArchitecture", is_other_architecture},
    {"inferenceAccelerators",
     [](const TaskDefinition& d) { return d.inference_accelerators_size() > 0; }},
    {"proxyConfiguration", [](const TaskDefinition& d) { return d.has_proxy_configuration(); }},
    {"ephemeralStorage", [](const TaskDefinition& d) { return d.has_ephemeral_storage(); }},
    {"enableFaultInjection", [](const TaskDefinition& d) { return d.enable_fault_injection(); }},
};

// Devices of type GPU are acted on (agent_devices.hpp).
bool asks_for_other_things(const auto& requirements) {
  return std::any_of(requirements.begin(), requirements.end(),
                     [](const auto& one) { return one.type() != "GPU"; });
}

constexpr Member<ContainerDefinition> kContainerMembers[] = {
    {"resourceRequirements",
     [](const ContainerDefinition& c) { return asks_for_other_things(c.resource_requirements()); }},
    {"credentialSpecs", [](const ContainerDefinition& c) { return c.credential_specs_size() > 0; }},
};

constexpr Member<TaskOverride> kOverrideMembers[] = {
    {"overrides.inferenceAcceleratorOverrides",
     [](const TaskOverride& o) { return o.inference_accelerator_overrides_size() > 0; }},
    {"overrides.ephemeralStorage", [](const TaskOverride& o) { return o.has_ephemeral_storage(); }},
};
constexpr Member<ContainerOverride> kContainerOverrideMembers[] = {
    {"resourceRequirements",
     [](const ContainerOverride& o) { return asks_for_other_things(o.resource_requirements()); }},
};

std::string at(const std::string& list, int index) {
  return list + "[" + std::to_string(index) + "]";
}

class Refusals {
 public:
  explicit Refusals(std::string launch_type) : launch_type_(std::move(launch_type)) {}

  // What the agent would say of a member that it acts on.
  void add(const sdk::Error& error) {
    v1::Refusal refusal;
    refusal.set_member(error.field);
    refusal.set_message(error.message);
    refusal.set_error(error.status == BERTH_UNIMPLEMENTED ? v1::Refusal::ERROR_UNSUPPORTED_FEATURE
                                                          : v1::Refusal::ERROR_CLIENT);
    found.push_back(std::move(refusal));
  }
  void add(const std::string& member) {
    v1::Refusal refusal;
    refusal.set_member(member);
    refusal.set_message("The launch type " + launch_type_ + " does not act on " + member + " yet.");
    refusal.set_error(v1::Refusal::ERROR_UNSUPPORTED_FEATURE);
    found.push_back(std::move(refusal));
  }
  // The log driver and its options, as the agent reads them.
  void check_log(const v1::ecs::LogConfiguration& log, const std::string& prefix) {
    const auto plan =
        runtime::read_log_plan(log.log_driver(), {log.options().begin(), log.options().end()});
    if (plan) return;
    // Options are one member; the message says which of them.
    const std::string& field = plan.error().field;
    const std::string member = prefix + field.substr(0, field.find('['));
    if (plan.error().status == BERTH_UNIMPLEMENTED) {
      add(member);
      found.back().set_message("The launch type " + launch_type_ + " does not act on " + prefix +
                               field + ": " + plan.error().message);
      return;
    }
    v1::Refusal refusal;
    refusal.set_member(member);
    refusal.set_message(plan.error().message);
    refusal.set_error(v1::Refusal::ERROR_CLIENT);
    found.push_back(std::move(refusal));
  }
  template <typename Message, std::size_t size>
  void check(const Member<Message> (&members)[size], const Message& message,
             const std::string& prefix) {
    for (const auto& member : members) {
      if (member.is_set(message)) add(prefix + member.name);
    }
  }

  std::vector<v1::Refusal> found;

 private:
  std::string launch_type_;
};

}  // namespace

std::vector<v1::Refusal> find_refusals(const v1::PlanRequest& request,
                                       const std::string& launch_type) {
  Refusals refusals(launch_type);
  refusals.check(kTaskMembers, request.definition(), "");
  const auto& containers = request.definition().container_definitions();
  for (int i = 0; i < containers.size(); ++i) {
    const std::string path = at("containerDefinitions", i) + ".";
    refusals.check(kContainerMembers, containers[i], path);
    refusals.check_log(containers[i].log_configuration(), path + "logConfiguration.");
  }
  refusals.check(kOverrideMembers, request.overrides(), "");
  for (int i = 0; i < request.overrides().container_overrides_size(); ++i) {
    refusals.check(kContainerOverrideMembers, request.overrides().container_overrides(i),
                   at("overrides.containerOverrides", i) + ".");
  }
  if (auto good = runtime::options::check(request.definition(), request.overrides()); !good) {
    refusals.add(good.error());
  }
  return refusals.found;
}

}  // namespace berth::hosts
