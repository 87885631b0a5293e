// SPDX-License-Identifier: Apache-2.0
#include "core/control/placer.hpp"

#include <algorithm>
#include <utility>

#include "core/control/placement_form.hpp"

namespace berth::control {
namespace {

// A cluster of thousands of nodes would answer megabytes; the first ones say why.
constexpr std::size_t kMaxFailuresPerTask = 100;

tl::unexpected<Error> refused(const placement::Error& error) {
  return fail(Errc::Invalid, error.message, Subject::Request, error.what);
}

Result<placement::Request> request_of(const Placer::Demand& demand) {
  placement::Request request;
  request.group = demand.group;
  request.capacity_provider = demand.capacity_provider;
  for (const auto& [plugin, requirement] : demand.needs) {
    request.needs.push_back({.owner = plugin.str(), .needs = needs_of(requirement)});
  }
  for (const auto& constraint : demand.constraints) {
    using Kind = placement::Constraint::Kind;
    if (constraint.type() == "distinctInstance") {
      if (!constraint.expression().empty()) {
        return fail(Errc::Invalid, "The distinctInstance placement constraint takes no expression.",
                    Subject::Request, "placementConstraints.expression");
      }
      request.constraints.push_back({.kind = Kind::DistinctInstance});
    } else if (constraint.type() == "memberOf") {
      request.constraints.push_back(
          {.kind = Kind::MemberOf, .expression = constraint.expression()});
    } else {
      return fail(Errc::Invalid,
                  "Placement constraint type should be one of [distinctInstance,memberOf].",
                  Subject::Request, "placementConstraints.type");
    }
  }
  for (const auto& strategy : demand.strategies) {
    auto parsed = placement::parse_strategy(strategy.type(), strategy.field());
    if (!parsed) {
      return fail(Errc::Invalid, parsed.error().message, Subject::Request,
                  "placementStrategy." + parsed.error().what);
    }
    request.strategies.push_back(*parsed);
  }
  return request;
}

}  // namespace

Result<void> Placer::put_node(const NodeView& view) {
  const NodeId id(view.node.id());
  placement::NodeSpec spec = node_spec_of(view.node, view.plugin.str());
  for (const auto& attribute : view.custom_attributes) {
    spec.attributes.push_back({.name = attribute.name(), .value = attribute.value()});
  }
  spec.connected = view.connected;
  spec.state =
      view.draining ? placement::NodeSpec::State::Draining : placement::NodeSpec::State::Active;
  placement::Engine& engine = engines_[view.cluster];
  nodes_[id] = {view.cluster, view.hidden};
  if (const auto known = engine.find_node(id.str())) {
    auto changed = engine.change_node(*known, std::move(spec));
    if (!changed) {
      disconnect(id);
      return refused(changed.error());
    }
    return {};
  }
  auto added = engine.add_node(std::move(spec));
  if (!added) return refused(added.error());
  adopt_tasks(view.cluster, id, *added);
  return {};
}

void Placer::adopt_tasks(const ClusterName& cluster, const NodeId& node,
                         placement::NodeIndex index) {
  for (const TaskId& id : state_.tasks_on(node)) {
    const TaskPtr task = state_.task(id);
    if (task->last_status == TaskStatus::Stopped) continue;
    const v1::Requirement& requirement = task->launch->requirement;
    auto adopted =
        engines_[cluster].adopt({.node = index,
                                 .needs = needs_of(requirement),
                                 .group = task->launch->group,
                                 .devices = grants_of(requirement, task->launch->allocation)});
    if (!adopted) continue;  // amounts were checked when it was placed
    reservations_[id] = {cluster, *adopted};
    if (task->desired_status == DesiredStatus::Stopped) retire(id);
  }
}

void Placer::disconnect(const NodeId& node) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return;
  placement::Engine& engine = engines_[known->second.cluster];
  const auto index = engine.find_node(node.str());
  if (!index) return;
  engine.set_status(*index, {.state = engine.node(*index).state, .connected = false});
}

void Placer::remove_node(const NodeId& node) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return;
  placement::Engine& engine = engines_[known->second.cluster];
  if (const auto index = engine.find_node(node.str())) engine.remove_node(*index);
  for (const TaskId& id : state_.tasks_on(node)) reservations_.erase(id);
  nodes_.erase(known);
}

Result<Placer::Outcome> Placer::place(const Demand& demand, int count, std::uint64_t dice) {
  auto request = request_of(demand);
  if (!request) return tl::unexpected(request.error());
  placement::Engine& engine = engines_[demand.cluster];
  auto compiled = engine.compile(*request);
  if (!compiled) return refused(compiled.error());

  Outcome outcome;
  for (auto& placed : engine.place_many(*compiled, static_cast<std::size_t>(count), dice)) {
    const placement::NodeSpec spec = engine.node(placed.node);
    const auto need = std::find_if(demand.needs.begin(), demand.needs.end(),
                                   [&](const auto& one) { return one.first.str() == spec.owner; });
    outcome.places.push_back({.node = NodeId(spec.id),
                              .plugin = PluginName(spec.owner),
                              .allocation = allocation_of(need->second, placed.devices),
                              .reservation = placed.reservation});
  }
  const int missing = count - static_cast<int>(outcome.places.size());
  if (missing > 0) explain(demand, *compiled, missing, outcome);
  engine.drop(*compiled);
  return outcome;
}

void Placer::explain(const Demand& demand, placement::RequestId request, int missing,
                     Outcome& outcome) {
  placement::Engine& engine = engines_[demand.cluster];
  const placement::Explanation explanation = engine.explain(request);
  outcome.no_nodes = explanation.refusals.empty() && explanation.fitting.empty();
  std::vector<Failure> one;
  bool pool = false;
  for (const placement::Refusal& refusal : explanation.refusals) {
    const NodeId node{std::string(engine.node_id(refusal.node))};
    const auto known = nodes_.find(node);
    if (known != nodes_.end() && known->second.hidden) {
      pool = true;
      continue;
    }
    if (one.size() == kMaxFailuresPerTask) break;
    one.push_back({realm_.container_instance_arn(demand.cluster, node), refusal.ecs_reason(),
                   refusal.detail()});
  }
  if (pool && one.empty()) {
    one.push_back({"",
                   "Capacity is unavailable at this time. Please try again later or in a different "
                   "availability zone",
                   ""});
  }
  for (int i = 0; i < missing; ++i) {
    outcome.failures.insert(outcome.failures.end(), one.begin(), one.end());
  }
}

void Placer::book(const Task& task, const Place& place) {
  reservations_[task.id] = {task.cluster, place.reservation};
}

void Placer::retire(const TaskId& task) {
  const auto at = reservations_.find(task);
  if (at != reservations_.end()) engines_[at->second.cluster].retire(at->second.reservation);
}

void Placer::release(const TaskId& task) {
  const auto at = reservations_.find(task);
  if (at == reservations_.end()) return;
  engines_[at->second.cluster].release(at->second.reservation);
  reservations_.erase(at);
}

}  // namespace berth::control
