// SPDX-License-Identifier: Apache-2.0
#include "plugins/fargate/plan.hpp"

#include <map>
#include <string>

#include "plugins/fargate/forbidden.hpp"
#include "plugins/fargate/sizes.hpp"
#include "sdk/hosts/agent_plan.hpp"
#include "sdk/runtime/options/quantity.hpp"

namespace berth::fargate {
namespace {

constexpr const char* kPlatformVersion = "1.4.0";
constexpr const char* kPlatformFamily = "Linux";
constexpr const char* kArchitecture = "ecs.cpu-architecture";

class Planner {
 public:
  explicit Planner(const v1::PlanRequest& request)
      : request_(request), definition_(request.definition()) {}

  v1::PlanResponse plan() {
    plan_.set_platform_version(kPlatformVersion);
    plan_.set_platform_family(kPlatformFamily);
    check_platform();
    for (const Forbidden& one : find_forbidden(definition_)) refuse(one.member, one.message);
    check_size();
    if (!is_storage(definition_, request_.overrides())) {
      refuse("ephemeralStorage.sizeInGiB",
             "The ephemeralStorage of a Fargate task must be between 21 and 200 GiB.");
    }
    if (plan_.refusals_size() > 0) return std::move(plan_);
    // Of a disk of its own its size is all there is to look at.
    v1::PlanRequest rest = request_;
    rest.mutable_definition()->clear_ephemeral_storage();
    rest.mutable_overrides()->clear_ephemeral_storage();
    v1::PlanResponse by_agents = hosts::plan_for_agents(rest, kLaunchType);
    *plan_.mutable_refusals() = std::move(*by_agents.mutable_refusals());
    if (by_agents.requirement().devices_size() > 0) {  // by an override
      refuse("overrides.containerOverrides.resourceRequirements",
             "Tasks using the Fargate launch type do not support GPU resource requirements.");
    }
    if (plan_.refusals_size() > 0) return std::move(plan_);
    *plan_.mutable_requirement() = std::move(*by_agents.mutable_requirement());
    require_architecture();
    return std::move(plan_);
  }

 private:
  // Said to the caller of RunTask, in ECS's words as they are.
  void refuse(const std::string& member, const std::string& message) {
    hosts::refuse(plan_, v1::Refusal::ERROR_INVALID_PARAMETER, member, message);
  }

  void check_platform() {
    const std::string& asked = request_.platform_version();
    if (asked.empty() || asked == "LATEST" || asked == kPlatformVersion) return;
    hosts::refuse(plan_, v1::Refusal::ERROR_PLATFORM_UNKNOWN, "platformVersion",
                  "The specified platform does not exist.");
  }

  void check_size() {
    const auto& changes = request_.overrides();
    const std::string& cpu = changes.has_cpu() ? changes.cpu() : definition_.cpu();
    const std::string& memory = changes.has_memory() ? changes.memory() : definition_.memory();
    for (const auto& [text, name] : {std::pair(&cpu, "cpu"), std::pair(&memory, "memory")}) {
      if (!text->empty()) continue;
      return refuse(
          name, "Fargate requires that '" + std::string(name) + "' be defined at the task level.");
    }
    const auto units = runtime::options::read_cpu(cpu);
    const auto mib = runtime::options::read_memory_mib(memory);
    if (!units || !mib || !is_size(*units, *mib)) {
      return refuse("cpu", "No Fargate configuration exists for given values: " + cpu + " CPU, " +
                               memory +
                               " memory. See the Amazon ECS documentation for the valid values.");
    }
    check_sums(*units, *mib);
  }

  // What the containers ask for, with the call's changes, is within the task's size.
  void check_sums(std::int64_t units, std::int64_t mib) {
    std::map<std::string, const v1::ecs::ContainerOverride*> changes;
    for (const auto& one : request_.overrides().container_overrides()) changes[one.name()] = &one;
    std::int64_t cpu = 0;
    std::int64_t memory = 0;
    for (const auto& container : definition_.container_definitions()) {
      const auto at = changes.find(container.name());
      const v1::ecs::ContainerOverride& own =
          at == changes.end() ? v1::ecs::ContainerOverride::default_instance() : *at->second;
      cpu += own.has_cpu() ? own.cpu() : container.cpu();
      const std::int64_t reserved =
          own.has_memory_reservation() ? own.memory_reservation() : container.memory_reservation();
      const std::int64_t limit = own.has_memory() ? own.memory() : container.memory();
      memory += reserved > 0 ? reserved : limit;
    }
    if (cpu > units) refuse("cpu", over("cpu", cpu, units, "CPU units"));
    if (memory > mib) refuse("memory", over("memory", memory, mib, "MiB"));
  }
  static std::string over(const std::string& name, std::int64_t asked, std::int64_t most,
                          const std::string& unit) {
    return "Invalid '" + name + "' setting for task. The containers ask for " +
           std::to_string(asked) + " " + unit + " in all, the task has " + std::to_string(most) +
           ".";
  }

  // ECS takes X86_64 where the definition does not say; images are of one architecture.
  void require_architecture() {
    auto& requirement = *plan_.mutable_requirement();
    for (const auto& attribute : requirement.attributes()) {
      if (attribute.name() == kArchitecture) return;
    }
    auto& attribute = *requirement.add_attributes();
    attribute.set_name(kArchitecture);
    attribute.set_value("x86_64");
  }

  const v1::PlanRequest& request_;
  const v1::ecs::TaskDefinition& definition_;
  v1::PlanResponse plan_;
};

}  // namespace

v1::PlanResponse plan_task(const v1::PlanRequest& request) {
  return Planner(request).plan();
}

}  // namespace berth::fargate
