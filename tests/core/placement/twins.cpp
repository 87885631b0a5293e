// SPDX-License-Identifier: Apache-2.0
#include "tests/core/placement/twins.hpp"

#include <algorithm>
#include <utility>

#include "core/placement/view.hpp"
#include "tests/core/placement/scale_in_oracle.hpp"

namespace berth::placement::testing {
namespace {

std::uint32_t raw(NodeIndex node) {
  return static_cast<std::uint32_t>(node);
}

void agree(bool is_so, const std::string& what) {
  if (!is_so) throw Difference(what);
}

std::string name(std::optional<std::uint32_t> node) {
  return node ? "node " + std::to_string(*node) : "no node";
}

// Of the form that README.md says is indexed.
bool is_indexed(const Request& request) {
  using Kind = Strategy::Kind;
  const auto& strategies = request.strategies;
  std::size_t at = 0;
  const auto is = [&](Kind kind) { return at < strategies.size() && strategies[at].kind == kind; };
  if (is(Kind::SpreadAttribute)) ++at;
  if (is(Kind::SpreadInstance)) ++at;
  return at == strategies.size() || is(Kind::Random) || is(Kind::BinpackCpu) ||
         is(Kind::BinpackMemory);
}

// Whether a strategy beyond ECS's has something to decide.
bool is_scored(const Request& request) {
  for (const Strategy& strategy : request.strategies) {
    if (strategy.is_scored()) return true;
    if (strategy.kind == Strategy::Kind::Random) return false;
  }
  return false;
}

}  // namespace

Twins::Twins(Shape shape)
    : shape_(std::move(shape)), engine_(shape_.options), leavers_(engine_.make_leavers()) {
  Draw draw(1);
  expect(draw);  // without expected tasks nothing compiles that asks for the fragmentation
}

const Twins::Known* Twins::any_request(Draw& draw) const {
  if (requests_.empty()) return nullptr;
  return &requests_[static_cast<std::size_t>(
      draw.below(static_cast<std::int64_t>(requests_.size())))];
}

std::optional<std::uint32_t> Twins::any_node(Draw& draw) const {
  if (oracle_.nodes.empty()) return std::nullopt;
  const auto node =
      static_cast<std::uint32_t>(draw.below(static_cast<std::int64_t>(oracle_.nodes.size())));
  return oracle_.nodes[node] ? std::optional(node) : std::nullopt;
}

// ---- Nodes

NodeSpec Twins::draw_spec(Draw& draw, std::string id) const {
  NodeSpec spec = draw_node(draw, std::move(id));
  if (shape_.plain) {
    NodeSpec plain{.id = spec.id, .owner = "ec2", .state = spec.state, .connected = spec.connected};
    plain.cpu = spec.cpu * (1 + draw.below(4));
    plain.memory_mib = spec.memory_mib * (1 + draw.below(4));
    plain.attributes = {{std::string(kZoneAttribute), draw.one_in(3) ? "a" : "b"}};
    return plain;
  }
  if (shape_.shelves > 0 && !draw.one_in(16))
    spec.attributes.push_back({"shelf", std::to_string(draw.below(shape_.shelves))});
  return spec;
}

void Twins::add_node(Draw& draw) {
  const NodeSpec spec = draw_spec(draw, "n" + std::to_string(next_id_++));
  const auto node = engine_.add_node(spec);
  agree(node.has_value(), "add_node: a fair spec is refused");
  agree(raw(*node) == oracle_.add_node(spec), "add_node: another index than the lowest free");
  agree(engine_.find_node(spec.id) == *node, "find_node: not the node that was added");
}

void Twins::change_node(Draw& draw) {
  const auto node = any_node(draw);
  if (!node) return;
  NodeSpec& spec = oracle_.nodes[*node]->spec;
  spec = draw_spec(draw, spec.id);
  agree(engine_.change_node(NodeIndex{*node}, spec).has_value(), "change_node: refused");
}

void Twins::set_status(Draw& draw) {
  const auto node = any_node(draw);
  if (!node) return;
  NodeSpec& spec = oracle_.nodes[*node]->spec;
  spec.state = draw.one_in(3) ? NodeSpec::State::Draining : NodeSpec::State::Active;
  spec.connected = !draw.one_in(3);
  agree(engine_.set_status(NodeIndex{*node}, {.state = spec.state, .connected = spec.connected}),
        "set_status: no such node");
}

void Twins::remove_node(Draw& draw) {
  const auto node = any_node(draw);
  if (!node) return;
  const auto tasks = oracle_.nodes[*node]->tasks;
  oracle_.remove_node(*node);
  agree(engine_.remove_node(NodeIndex{*node}), "remove_node: no such node");
  for (const Oracle::Task& task : tasks)
    agree(!engine_.release(task.reservation), "release: a task outlives its node");
}

// ---- Requests

void Twins::expect(Draw& draw) {
  oracle_.target = draw_target(draw);
  agree(!engine_.set_target_workload(oracle_.target).has_value(),
        "set_target_workload: fair tasks are refused");
}

void Twins::compile(Draw& draw) {
  Request request = draw_request(draw);
  if (draw.one_in(8)) {
    while (request.strategies.size() < kMaxStrategies)
      request.strategies.push_back(Strategy{draw.one_in(2) ? Strategy::Kind::SpreadInstance
                                                           : Strategy::Kind::BinpackMemory});
  }
  if (shape_.shelves > 0) {
    for (Strategy& strategy : request.strategies) {
      if (strategy.kind == Strategy::Kind::SpreadAttribute && draw.one_in(2))
        strategy.attribute = "shelf";
    }
  }
  if (shape_.plain && !draw.one_in(8)) {
    const Needs needs = request.needs.front().needs;
    request.needs = {{"ec2", {.cpu = needs.cpu, .memory_mib = needs.memory_mib}}};
    request.capacity_provider.clear();
    std::erase_if(request.constraints,
                  [](const Constraint& one) { return one.kind != Constraint::Kind::MemberOf; });
  }
  const auto id = engine_.compile(request);
  agree(id.has_value(), "compile: a fair request is refused");
  requests_.push_back({*id, std::move(request)});
}

void Twins::drop(Draw& draw) {
  const Known* known = any_request(draw);
  if (known == nullptr) return;
  const RequestId id = known->id;
  agree(engine_.drop(id), "drop: no such request");
  std::erase_if(requests_, [&](const Known& one) { return one.id == id; });
}

// ---- Tasks

void Twins::end_task(Draw& draw, bool retire) {
  const auto node = any_node(draw);
  if (!node || oracle_.nodes[*node]->tasks.empty()) return;
  auto& tasks = oracle_.nodes[*node]->tasks;
  const std::int64_t at = draw.below(static_cast<std::int64_t>(tasks.size()));
  const ReservationId id = tasks[static_cast<std::size_t>(at)].reservation;
  if (retire) {
    tasks[static_cast<std::size_t>(at)].counted = false;
    agree(engine_.retire(id), "retire: no such task");
    return;
  }
  tasks.erase(tasks.begin() + at);
  agree(engine_.release(id), "release: no such task");
  agree(!engine_.release(id), "release: the task is there twice");
  agree(!engine_.node_of(id).has_value(), "node_of: a released task is somewhere");
}

// Facts from elsewhere: they may contradict what is booked.
void Twins::adopt(Draw& draw) {
  const auto node = any_node(draw);
  if (!node) return;
  Adoption adoption{.node = NodeIndex{*node}, .needs = draw_needs(draw), .group = "family:web"};
  if (draw.one_in(2)) adoption.service = "web";
  if (draw.one_in(3))
    adoption.devices.push_back({.need = 0, .device_id = "gpu-" + std::to_string(draw.below(5))});
  const auto id = engine_.adopt(adoption);
  agree(id.has_value(), "adopt: refused");
  oracle_.nodes[*node]->tasks.push_back(
      {adoption.group, adoption.service, adoption.needs, adoption.devices, true, *id});
}

// What was granted is free to be granted: no double booking.
void Twins::take(const Request& request, const Placement& placed) {
  const std::uint32_t node = raw(placed.node);
  agree(engine_.node_of(placed.reservation) == placed.node, "node_of: not where it was placed");
  const Needs& needs = *oracle_.needs(request, node);
  const std::string objection = oracle_.objection(node, needs, placed.devices);
  agree(objection.empty(), "place: devices are granted that are not free: " + objection);
  agree(placed.devices == oracle_.grants(request, node), "place: other devices are granted");
  oracle_.nodes[node]->tasks.push_back(
      {request.group, request.service, needs, placed.devices, true, placed.reservation});
}

void Twins::place(Draw& draw) {
  const Known* known = any_request(draw);
  if (known == nullptr) return;
  const std::uint64_t dice = draw.next();
  const std::size_t count = draw.one_in(3) ? 3 : 1;
  const DecisionCounts before = engine_.decision_counts();
  const auto placed = engine_.place_many(known->id, count, dice);
  const DecisionCounts after = engine_.decision_counts();
  const std::uint64_t one_pass = after.one_pass - before.one_pass;
  const std::uint64_t scans = after.scans - before.scans - one_pass;
  const std::uint64_t decisions = after.decisions - before.decisions;
  if (is_scored(known->request)) {
    ways_.scored += decisions;
  } else {
    ways_.indexed += decisions - scans - one_pass;
    ways_.one_pass += one_pass;
    (is_indexed(known->request) ? ways_.gave_up : ways_.unindexed) += scans;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto wanted = oracle_.decide(known->request, dice + i);
    const auto got = i < placed.size() ? std::optional(raw(placed[i].node)) : std::nullopt;
    agree(got == wanted, "place: " + name(got) + " instead of " + name(wanted));
    if (!wanted) break;
    take(known->request, placed[i]);
  }
}

void Twins::place_on(Draw& draw) {
  const Known* known = any_request(draw);
  const auto node = any_node(draw);
  if (known == nullptr || !node) return;
  const auto wanted = oracle_.refusal(known->request, *node);
  const auto placed = engine_.place_on(known->id, NodeIndex{*node});
  agree(placed.has_value() == !wanted.has_value(), "place_on: another answer whether it fits");
  if (placed) {
    take(known->request, *placed);
  } else {
    agree(placed.error().reason == *wanted, "place_on: another reason");
  }
}

// ---- Questions

void Twins::explain(Draw& draw) const {
  const Known* known = any_request(draw);
  if (known == nullptr) return;
  const Explanation explanation = engine_.explain(known->id);
  std::size_t fitting = 0;
  std::size_t refused = 0;
  for (std::uint32_t node = 0; node < oracle_.nodes.size(); ++node) {
    if (!oracle_.nodes[node]) continue;
    const auto wanted = oracle_.refusal(known->request, node);
    if (!wanted) {
      agree(raw(explanation.fitting.at(fitting++)) == node, "explain: fits another node");
    } else if (*wanted != Reason::Owner) {
      const Refusal& refusal = explanation.refusals.at(refused++);
      agree(raw(refusal.node) == node, "explain: refused by another node");
      agree(refusal.reason == *wanted, "explain: another reason");
      agree(!refusal.ecs_reason().empty(), "explain: no reason in words");
    }
  }
  agree(fitting == explanation.fitting.size(), "explain: fits more nodes");
  agree(refused == explanation.refusals.size(), "explain: refused by more nodes");
}

void Twins::what_if(Draw& draw) {
  const Known* known = any_request(draw);
  if (known == nullptr) return;
  const std::uint64_t dice = draw.next();
  const auto answer = engine_.what_if(known->id, 4, dice);
  agree(engine_.what_if(known->id, 4, dice) == answer, "what_if: another answer the second time");
  const auto wanted = oracle_.decide(known->request, dice);
  agree(answer.empty() == !wanted.has_value(), "what_if: another answer whether it fits");
  if (wanted) agree(raw(answer.front()) == *wanted, "what_if: another node");
}

// Candidates that are none among them, some twice, in any order.
void Twins::choose_to_stop(Draw& draw) const {
  const Known* known = any_request(draw);
  if (known == nullptr) return;
  std::vector<ReservationId> candidates;
  const std::int64_t looks = 1 + draw.below(30);
  for (std::int64_t i = 0; i < looks; ++i) {
    const auto node = any_node(draw);
    if (!node || oracle_.nodes[*node]->tasks.empty()) continue;
    for (const Oracle::Task& task : oracle_.nodes[*node]->tasks) {
      if (!draw.one_in(4)) candidates.push_back(task.reservation);
    }
  }
  if (draw.one_in(4)) candidates.push_back(static_cast<ReservationId>(draw.next()));
  for (std::size_t i = candidates.size(); i > 1; --i) {
    std::swap(candidates[i - 1],
              candidates[static_cast<std::size_t>(draw.below(static_cast<std::int64_t>(i)))]);
  }
  const StopQuestion question{.candidates = candidates,
                              .count = static_cast<std::size_t>(draw.below(7)),
                              .dice = draw.next()};
  agree(engine_.choose_to_stop(known->id, question) == stops(oracle_, known->request, question),
        "choose_to_stop: other tasks");
}

// As a service does: who is stopped goes, others come, now and then all are anew.
void Twins::change_leavers(Draw& draw) {
  if (draw.one_in(40)) {
    engine_.drop_leavers(leavers_);
    leavers_ = engine_.make_leavers();
    ranks_.clear();
  }
  for (std::int64_t i = draw.below(6); i > 0; --i) {
    const auto node = any_node(draw);
    if (!node) return;
    for (const Oracle::Task& task : oracle_.nodes[*node]->tasks) {
      const bool known = std::any_of(ranks_.begin(), ranks_.end(), [&](const auto& one) {
        return one.second == task.reservation;
      });
      if (known || draw.one_in(4)) continue;
      const LeaverRank rank{draw.below(3), draw.next(), draw.next()};
      if (ranks_.contains(rank)) continue;  // draws may repeat, ranks may not
      agree(engine_.add_leaver(leavers_, {task.reservation, rank}) == task.counted,
            "add_leaver: another answer");
      if (task.counted) ranks_.emplace(rank, task.reservation);
    }
  }
  // Those that ended go, and others as it comes.
  std::erase_if(ranks_, [&](const auto& one) {
    const bool ended = !engine_.node_of(one.second);
    if (!ended && !draw.one_in(8)) return false;
    engine_.remove_leaver(leavers_, {one.second, one.first});
    return true;
  });
}

void Twins::choose_of_leavers(Draw& draw) {
  const Known* known = any_request(draw);
  if (known == nullptr) return;
  std::vector<ReservationId> candidates;
  for (auto at = ranks_.rbegin(); at != ranks_.rend(); ++at) candidates.push_back(at->second);
  const auto count = static_cast<std::size_t>(draw.below(7));
  const std::uint64_t dice = draw.next();
  std::vector<ReservationId> chosen;
  for (const Leaver& one :
       engine_.choose_to_stop(known->id, leavers_, {.count = count, .dice = dice})) {
    const auto rank = ranks_.find(one.rank);
    agree(rank != ranks_.end() && rank->second == one.id, "choose_to_stop: a leaver that is none");
    chosen.push_back(one.id);
  }
  agree(chosen == stops(oracle_, known->request,
                        {.candidates = candidates, .count = count, .dice = dice}),
        "choose_to_stop: other leavers");
}

// ---- All of it

void Twins::step(std::uint64_t seed) {
  Draw draw(seed);
  switch (draw.below(20)) {
    case 0:
      return add_node(draw);
    case 1:
      return change_node(draw);
    case 2:
      return set_status(draw);
    case 3:
      return draw.one_in(3) ? remove_node(draw) : compile(draw);
    case 4:
      return draw.one_in(3) ? drop(draw) : compile(draw);
    case 5:
      return end_task(draw, /*retire=*/true);
    case 6:
    case 7:
      return end_task(draw, /*retire=*/false);
    case 8:
      return adopt(draw);
    case 9:
      return place_on(draw);
    case 10:
      return draw.one_in(4) ? expect(draw) : explain(draw);
    case 11:
      return what_if(draw);
    case 12:
      return choose_to_stop(draw);
    case 13:
      return compare_view();
    case 14:
      return change_leavers(draw);
    case 15:
      return choose_of_leavers(draw);
    default:
      return place(draw);
  }
}

void Twins::compare_books() const {
  for (std::uint32_t node = 0; node < oracle_.nodes.size(); ++node) {
    const auto left = engine_.remaining(NodeIndex{node});
    agree(left.has_value() == oracle_.nodes[node].has_value(), "remaining: another node");
    if (!left) continue;
    const Oracle::Node& n = *oracle_.nodes[node];
    agree(left->cpu == cpu_left(n), "remaining: cpu");
    agree(left->memory_mib == memory_left(n), "remaining: memory");
    agree(left->eni_slots == eni_left(n), "remaining: interfaces");
    for (const Amount& amount : left->amounts)
      agree(amount.value == amount_left(n, amount.name), "remaining: " + amount.name);
    agree(left->tasks == n.tasks.size(), "remaining: tasks");
    for (const char* group : {"family:web", "family:db", "service:api"}) {
      agree(engine_.group_count(NodeIndex{node}, group) ==
                oracle_.counted(Request{.group = group, .needs = {}}, node),
            "group_count");
    }
  }
}

void Twins::compare_view() {
  const auto view = engine_.view();
  agree(engine_.view() == view, "view: another one without a change");
  ViewTotals totals;
  for (std::uint32_t node = 0; node < oracle_.nodes.size(); ++node) {
    const ViewNode* seen = view->node(NodeIndex{node});
    agree((seen != nullptr) == oracle_.nodes[node].has_value(), "view: another node");
    if (seen == nullptr) continue;
    const Oracle::Node& n = *oracle_.nodes[node];
    agree(seen->id == n.spec.id && view->find(n.spec.id) == seen, "view: another id");
    agree(seen->what->owner == n.spec.owner && seen->what->agent_version == n.spec.agent_version &&
              seen->what->capacity_provider == n.spec.capacity_provider,
          "view: another class");
    for (const char* name : {"rack", "stack", "shelf"}) {
      const Attribute* attribute = seen->what->attribute(name);
      agree((attribute == nullptr ? std::nullopt : std::optional(attribute->value)) ==
                oracle_.value(node, name),
            "view: another attribute");
    }
    agree(seen->state == n.spec.state && seen->connected == n.spec.connected, "view: status");
    agree(seen->cpu == n.spec.cpu && seen->left.cpu == cpu_left(n), "view: cpu");
    agree(seen->left.memory_mib == memory_left(n), "view: memory");
    agree(seen->left.tasks == n.tasks.size(), "view: tasks");
    for (const char* group : {"family:web", "family:db", "service:api"}) {
      agree(seen->group_count(group) == oracle_.counted(Request{.group = group, .needs = {}}, node),
            "view: group_count");
    }
    const bool takes = seen->state == NodeSpec::State::Active && seen->connected;
    totals.nodes += 1;
    totals.taking_tasks += takes ? 1 : 0;
    totals.cpu += seen->cpu;
    totals.memory_mib += seen->memory_mib;
    totals.cpu_left += seen->left.cpu;
    totals.memory_mib_left += seen->left.memory_mib;
    totals.tasks += seen->left.tasks;
  }
  agree(view->totals() == totals, "view: totals");
}

}  // namespace berth::placement::testing
