// SPDX-License-Identifier: Apache-2.0
#include "core/control/placer.hpp"

#include <algorithm>
#include <utility>

#include "core/control/placement_form.hpp"
#include "core/control/refusals.hpp"
#include "core/control/terms.hpp"

namespace berth::control {
Result<void> Placer::put_node(const NodeView& view) {
  const NodeId id(view.node.id());
  placement::NodeSpec spec = node_spec_of(view.node, view.plugin.str());
  for (const auto& attribute : view.custom_attributes) {
    std::erase_if(spec.attributes,
                  [&](const auto& reported) { return reported.name == attribute.name(); });
    spec.attributes.push_back({.name = attribute.name(), .value = attribute.value()});
  }
  spec.connected = view.connected;
  spec.state =
      view.draining ? placement::NodeSpec::State::Draining : placement::NodeSpec::State::Active;
  placement::Engine& engine = engine_for(view.cluster);
  nodes_[id] = {view.cluster, view.hidden};
  if (const auto known = engine.find_node(id.str())) {
    auto changed = engine.change_node(*known, std::move(spec));
    if (!changed) {
      disconnect(id);
      return tl::unexpected(refused_request(changed.error()));
    }
    tell_room(view.cluster);
    return {};
  }
  auto added = engine.add_node(std::move(spec));
  if (!added) return tl::unexpected(refused_request(added.error()));
  adopt_tasks(view.cluster, id, *added);
  tell_room(view.cluster);
  return {};
}

void Placer::adopt_tasks(const ClusterName& cluster, const NodeId& node,
                         placement::NodeIndex index) {
  for (const TaskId& id : desk_.state().tasks_on(node)) {
    const TaskPtr task = desk_.state().task(id);
    if (task->last_status == TaskStatus::Stopped) continue;
    const v1::Requirement& requirement = task->launch->requirement;
    auto adopted =
        engine_for(cluster).adopt({.node = index,
                                   .needs = needs_of(requirement),
                                   .group = task->launch->group,
                                   .service = task->launch->service.str(),
                                   .devices = grants_of(requirement, task->launch->allocation)});
    if (!adopted) continue;  // amounts were checked when it was placed
    reservations_[id] = {cluster, *adopted};
    if (task->desired_status == DesiredStatus::Stopped) retire(id);
  }
}

void Placer::disconnect(const NodeId& node) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return;
  placement::Engine& engine = engine_for(known->second.cluster);
  const auto index = engine.find_node(node.str());
  if (!index) return;
  engine.set_status(*index, {.state = engine.node(*index).state, .connected = false});
}

void Placer::remove_node(const NodeId& node) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end()) return;
  placement::Engine& engine = engine_for(known->second.cluster);
  if (const auto index = engine.find_node(node.str())) engine.remove_node(*index);
  for (const TaskId& id : desk_.state().tasks_on(node)) reservations_.erase(id);
  nodes_.erase(known);
}

placement::Engine& Placer::engine_for(const ClusterName& cluster) {
  const auto [at, made] = engines_.try_emplace(cluster, desk_.config().engine);
  const auto& expected = desk_.config().strategies.expected_tasks;
  if (made && !expected.empty()) {
    const auto refused = at->second.set_target_workload(expected);
    BERTH_ASSERT(!refused);  // the configuration was checked by an engine
  }
  return at->second;
}

Result<placement::RequestId> Placer::compile(const Demand& demand) {
  auto request = compilations_.get(demand, engine_for(demand.cluster), desk_.now());
  drop_idle_later();
  return request;
}

// One alarm at a time, for the request that has been idle longest.
void Placer::drop_idle_later() {
  const auto oldest = compilations_.oldest_use();
  if (drop_is_set_ || !oldest) return;
  drop_is_set_ = true;
  const milliseconds idle = desk_.config().compiled_request_idle;
  desk_.alarms().set(*oldest + idle, [this, idle] {
    drop_is_set_ = false;
    compilations_.drop_idle(desk_.now() - idle);
    drop_idle_later();
  });
}

Result<Placer::Outcome> Placer::place(const Demand& demand, int count, std::uint64_t dice,
                                      Explain explain_it) {
  auto request = compile(demand);
  if (!request) return tl::unexpected(request.error());
  placement::Engine& engine = engine_for(demand.cluster);
  Outcome outcome;
  for (int i = 0; i < count; ++i) {
    if (meter_ != nullptr) meter_->begin();
    const auto placed = engine.place(*request, dice + static_cast<std::uint64_t>(i));
    if (meter_ != nullptr) meter_->end(placed.has_value());
    if (!placed) break;
    outcome.places.push_back(place_of(demand, *placed));
  }
  outcome.missing = count - static_cast<int>(outcome.places.size());
  if (outcome.missing > 0 && explain_it == Explain::Yes) explain(demand, *request, outcome);
  if (meter_ == nullptr) return outcome;
  for (const RefusalCount& one : outcome.refusals) meter_->refused(one.reason, one.instances);
  return outcome;
}

Result<Placer::Outcome> Placer::place_on(const Demand& demand, const NodeId& node) {
  auto request = compile(demand);
  if (!request) return tl::unexpected(request.error());
  placement::Engine& engine = engine_for(demand.cluster);
  const auto index = engine.find_node(node.str());
  BERTH_ASSERT(index.has_value());
  Outcome outcome;
  if (meter_ != nullptr) meter_->begin();
  const auto placed = engine.place_on(*request, *index);
  if (meter_ != nullptr) meter_->end(placed.has_value());
  if (placed) {
    outcome.places.push_back(place_of(demand, *placed));
    return outcome;
  }
  outcome.missing = 1;
  const NodeArn arn = [&](std::string_view name) { return arn_of(demand.cluster, name); };
  Refusals refusals = sum_up(engine, {placed.error()}, arn);
  outcome.failures = std::move(refusals.failures);
  outcome.refusals = std::move(refusals.counts);
  if (meter_ != nullptr) meter_->refused(outcome.failures.front().reason, 1);
  return outcome;
}

Result<bool> Placer::would_take(const Demand& demand, const NodeId& node) {
  auto request = compile(demand);
  if (!request) return tl::unexpected(request.error());
  placement::Engine& engine = engine_for(demand.cluster);
  const auto index = engine.find_node(node.str());
  BERTH_ASSERT(index.has_value());
  const auto placed = engine.place_on(*request, *index);
  if (placed) engine.release(placed->reservation);
  return placed.has_value();
}

Result<std::vector<placement::Leaver>> Placer::choose_to_stop(
    const Demand& demand, placement::LeaversId leavers,
    const placement::LeaversQuestion& question) {
  auto request = compile(demand);
  if (!request) return tl::unexpected(request.error());
  return engine_for(demand.cluster).choose_to_stop(*request, leavers, question);
}

placement::ReservationId Placer::reservation_of(const TaskId& task) const {
  const auto at = reservations_.find(task);
  return at == reservations_.end() ? placement::ReservationId::None : at->second.reservation;
}

Result<Placer::Outcome> Placer::try_out(const Demand& demand, int count, std::uint64_t dice) {
  auto request = compile(demand);
  if (!request) return tl::unexpected(request.error());
  placement::Engine& engine = engine_for(demand.cluster);
  Outcome outcome;
  for (const auto& placed : engine.place_many(*request, static_cast<std::size_t>(count), dice)) {
    outcome.places.push_back(place_of(demand, placed));
  }
  outcome.missing = count - static_cast<int>(outcome.places.size());
  if (outcome.missing > 0) explain(demand, *request, outcome);
  return outcome;
}

// Last in, first out, so that what is kept in the order of its making is as it was.
void Placer::give_back(const std::vector<Place>& places) {
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    const auto known = nodes_.find(place->node);
    if (known != nodes_.end()) engine_for(known->second.cluster).release(place->reservation);
  }
}

bool Placer::knows(const ClusterName& cluster, const NodeId& node) const {
  const auto known = nodes_.find(node);
  return known != nodes_.end() && known->second.cluster == cluster &&
         engine_of(cluster).find_node(node.str()).has_value();
}

std::string Placer::zone_of(const ClusterName& cluster, const NodeId& node) const {
  const placement::Engine& engine = engine_of(cluster);
  const auto index = engine.find_node(node.str());
  BERTH_ASSERT(index.has_value());
  const placement::NodeSpec& spec = engine.node(*index);
  const auto zone =
      std::find_if(spec.attributes.begin(), spec.attributes.end(),
                   [](const auto& one) { return one.name == placement::kZoneAttribute; });
  return zone == spec.attributes.end() ? std::string() : std::string(zone->value);
}

std::optional<Placer::Room> Placer::room_of(const ClusterName& cluster, const NodeId& node) const {
  if (!knows(cluster, node)) return std::nullopt;
  const placement::Engine& engine = engine_of(cluster);
  const auto index = engine.find_node(node.str());
  const placement::NodeSpec& spec = engine.node(*index);
  const auto left = engine.remaining(*index);
  if (!left || !spec.connected || spec.state != placement::NodeSpec::State::Active) {
    return std::nullopt;
  }
  return Room{left->cpu, left->memory_mib};
}

Placer::Place Placer::place_of(const Demand& demand, const placement::Placement& placed) const {
  const placement::NodeSpec& spec = engine_of(demand.cluster).node(placed.node);
  const auto need = std::find_if(demand.needs.begin(), demand.needs.end(),
                                 [&](const auto& one) { return one.first.str() == spec.owner; });
  return {.node = NodeId(spec.id),
          .plugin = PluginName(spec.owner),
          .allocation = allocation_of(need->second, placed.devices),
          .reservation = placed.reservation};
}

std::string Placer::arn_of(const ClusterName& cluster, std::string_view node) const {
  const NodeId id{std::string(node)};
  const auto known = nodes_.find(id);
  if (known != nodes_.end() && known->second.hidden) return {};
  return desk_.config().realm.container_instance_arn(cluster, id);
}

void Placer::explain(const Demand& demand, placement::RequestId request, Outcome& outcome) const {
  const placement::Engine& engine = engine_of(demand.cluster);
  const placement::Explanation explanation = engine.explain(request);
  const bool nothing = explanation.refusals.empty() && explanation.fitting.empty();
  outcome.no_nodes = nothing && !demand.pooled;
  const NodeArn arn = [&](std::string_view node) { return arn_of(demand.cluster, node); };
  Refusals refusals = sum_up(engine, explanation.refusals, arn);
  outcome.failures = std::move(refusals.failures);
  outcome.refusals = std::move(refusals.counts);
  // A pool without hosts is one that has no room.
  if (nothing && demand.pooled) {
    outcome.failures.push_back({"", kNoRoomInPool, ""});
    outcome.refusals.push_back({.reason = "CAPACITY"});
  }
}

namespace {

// What a task that is there may itself be the reason for.
bool depends_on_tasks(const placement::Refusal& refusal) {
  using placement::Reason;
  return refusal.reason != Reason::Inactive && refusal.reason != Reason::Agent &&
         refusal.reason != Reason::Location && refusal.reason != Reason::Attribute;
}

}  // namespace

Result<Placer::Survey> Placer::survey(const Demand& demand, const Task& task) {
  const auto form = request_of(demand, desk_.config().strategies);
  if (!form) return tl::unexpected(form.error());
  auto request = compile(demand);
  if (!request) return tl::unexpected(request.error());
  const placement::Engine& engine = engine_for(demand.cluster);
  const auto own = engine.find_node(task.node.str());
  placement::Explanation explanation = engine.explain(*request);
  Survey survey;
  const bool holds = reservations_.count(task.id) > 0;
  for (const placement::Refusal& one : explanation.refusals) {
    if (!own || one.node != *own || (holds && depends_on_tasks(one))) continue;
    survey.place_refuses = failure_of(one, arn_of(demand.cluster, task.node.str()));
  }
  std::erase_if(explanation.refusals, [&](const auto& one) { return own && one.node == *own; });
  const NodeArn arn = [&](std::string_view node) { return arn_of(demand.cluster, node); };
  survey.refusals = sum_up(engine, explanation.refusals, arn).counts;
  for (const placement::NodeIndex node : explanation.fitting) {
    survey.others_that_fit += own && node == *own ? 0 : 1;
  }
  survey.place_known = own.has_value();
  if (!own || survey.place_refuses) return survey;
  PlaceInQuestion place{.node = *own};
  if (holds) {
    place.held_cpu = task.launch->requirement.cpu();
    place.held_memory_mib = task.launch->requirement.memory_mib();
    place.counted = task.desired_status != DesiredStatus::Stopped;
  }
  auto strategies = form->strategies;
  if (strategies.empty()) {
    strategies = demand.service.empty() ? placement::run_task_default_strategies()
                                        : placement::service_default_strategies();
  }
  survey.terms = weigh(engine, demand.group, strategies, explanation.fitting, place);
  return survey;
}

PlacementStats Placer::stats() const {
  return {.nodes = nodes_.size(),
          .reservations = reservations_.size(),
          .compiled_requests = compilations_.size(),
          .compilations = compilations_.made()};
}

void Placer::book(const Task& task, const Place& place) {
  reservations_[task.id] = {task.cluster, place.reservation};
}

void Placer::retire(const TaskId& task) {
  const auto at = reservations_.find(task);
  if (at == reservations_.end()) return;
  engine_for(at->second.cluster).retire(at->second.reservation);
  tell_room(at->second.cluster);
}

void Placer::release(const TaskId& task) {
  const auto at = reservations_.find(task);
  if (at == reservations_.end()) return;
  const ClusterName cluster = at->second.cluster;
  engine_for(cluster).release(at->second.reservation);
  reservations_.erase(at);
  tell_room(cluster);
}

}  // namespace berth::control
