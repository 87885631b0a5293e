// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/show_placement.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/run_rules.hpp"

namespace berth::api {
namespace {

Result<void> check(const Call& call, model::PlanTaskRequest& request) {
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return tl::unexpected(cluster.error());
  request.set_cluster(cluster->str());
  if (request.task_definition().empty() == !request.has_requirement()) {
    return fail(Errc::Invalid,
                "Either taskDefinition or requirement says what to plan for: give one of the two.",
                Subject::Request, "taskDefinition");
  }
  if (request.has_requirement() && request.has_overrides()) {
    return fail(Errc::Invalid, "overrides change a taskDefinition, not a requirement.",
                Subject::Request, "overrides");
  }
  if (!request.task_definition().empty()) {
    if (auto id = parse_definition(request.task_definition()); !id) {
      return tl::unexpected(id.error());
    }
  }
  if (request.has_overrides()) {
    if (auto done = check_overrides(*request.mutable_overrides()); !done) return done;
  }
  if (auto done = check_constraints(call, request.placement_constraints()); !done) return done;
  return check_strategies(request.placement_strategy());
}

}  // namespace

void plan_task(const Call& call) {
  model::PlanTaskRequest request;
  if (!call.read(request)) return;
  if (auto checked = check(call, request); !checked) return call.refuse(checked.error());
  call.submit(control::PlanTask{std::move(request)},
              [](const Call& answered, const control::Answer& answer) {
                const auto& plan = std::get<control::PlanTaskAnswer>(answer);
                model::PlanTaskResponse response;
                response.set_count(plan.count);
                response.set_placed_count(plan.placed);
                response.set_unplaced_count(plan.count - plan.placed);
                if (!plan.group.empty()) response.set_group(plan.group);
                bool random = false;
                for (const auto& one : plan.constraints)
                  *response.add_placement_constraints() = one;
                for (const auto& one : plan.strategies) {
                  *response.add_placement_strategy() = one;
                  random = random || one.type() == "random";
                }
                response.set_random(random);
                for (const auto& place : plan.places)
                  *response.add_placements() = show_place(place);
                for (const auto& one : plan.refusals) *response.add_refusals() = show_refusal(one);
                answered.reply(response);
              });
}

}  // namespace berth::api
