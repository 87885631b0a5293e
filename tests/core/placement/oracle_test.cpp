// SPDX-License-Identifier: Apache-2.0
// The engine against the oracle, over random histories.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/placement/engine.hpp"
#include "tests/core/placement/oracle.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

std::uint32_t raw(NodeIndex node) {
  return static_cast<std::uint32_t>(node);
}

// Engine and oracle side by side. Each step does the same to both and compares what they say.
class Twins {
 public:
  Twins(EngineOptions options, Draw& draw) : engine_(std::move(options)) { expect(draw); }

  void add_node(Draw& draw) {
    const NodeSpec spec = draw_node(draw, "n" + std::to_string(next_id_++));
    const auto node = engine_.add_node(spec);
    RC_ASSERT(node.has_value());
    RC_ASSERT(raw(*node) == oracle_.add_node(spec));
    RC_ASSERT(engine_.find_node(spec.id) == *node);
  }

  void compile(Draw& draw) {
    const Request request = draw_request(draw);
    const auto id = engine_.compile(request);
    RC_ASSERT(id.has_value());
    requests_.push_back({*id, request});
  }

  void step(std::uint64_t seed) {
    Draw draw(seed);
    switch (draw.below(16)) {
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
      default:
        return place(draw);
    }
  }

  void compare_books() const {
    for (std::uint32_t node = 0; node < oracle_.nodes.size(); ++node) {
      const auto left = engine_.remaining(NodeIndex{node});
      RC_ASSERT(left.has_value() == oracle_.nodes[node].has_value());
      if (!left) continue;
      const Oracle::Node& n = *oracle_.nodes[node];
      RC_ASSERT(left->cpu == cpu_left(n));
      RC_ASSERT(left->memory_mib == memory_left(n));
      RC_ASSERT(left->eni_slots == eni_left(n));
      for (const Amount& amount : left->amounts)
        RC_ASSERT(amount.value == amount_left(n, amount.name));
      RC_ASSERT(left->tasks == n.tasks.size());
      for (const char* group : {"family:web", "family:db", "service:api"}) {
        RC_ASSERT(engine_.group_count(NodeIndex{node}, group) ==
                  oracle_.counted(Request{.group = group, .needs = {}}, node));
      }
    }
  }

 private:
  struct Known {
    RequestId id;
    Request request;
  };

  const Known* any_request(Draw& draw) const {
    if (requests_.empty()) return nullptr;
    return &requests_[static_cast<std::size_t>(
        draw.below(static_cast<std::int64_t>(requests_.size())))];
  }
  std::optional<std::uint32_t> any_node(Draw& draw) const {
    if (oracle_.nodes.empty()) return std::nullopt;
    const auto node =
        static_cast<std::uint32_t>(draw.below(static_cast<std::int64_t>(oracle_.nodes.size())));
    return oracle_.nodes[node] ? std::optional(node) : std::nullopt;
  }

  void change_node(Draw& draw) {
    const auto node = any_node(draw);
    if (!node) return;
    NodeSpec& spec = oracle_.nodes[*node]->spec;
    spec = draw_node(draw, spec.id);
    RC_ASSERT(engine_.change_node(NodeIndex{*node}, spec).has_value());
  }

  void expect(Draw& draw) {
    oracle_.target = draw_target(draw);
    RC_ASSERT(!engine_.set_target_workload(oracle_.target).has_value());
  }

  void set_status(Draw& draw) {
    const auto node = any_node(draw);
    if (!node) return;
    NodeSpec& spec = oracle_.nodes[*node]->spec;
    spec.state = draw.one_in(3) ? NodeSpec::State::Draining : NodeSpec::State::Active;
    spec.connected = !draw.one_in(3);
    RC_ASSERT(
        engine_.set_status(NodeIndex{*node}, {.state = spec.state, .connected = spec.connected}));
  }

  void remove_node(Draw& draw) {
    const auto node = any_node(draw);
    if (!node) return;
    const auto tasks = oracle_.nodes[*node]->tasks;
    oracle_.remove_node(*node);
    RC_ASSERT(engine_.remove_node(NodeIndex{*node}));
    for (const Oracle::Task& task : tasks) RC_ASSERT(!engine_.release(task.reservation));
  }

  void drop(Draw& draw) {
    const Known* known = any_request(draw);
    if (known == nullptr) return;
    const RequestId id = known->id;
    RC_ASSERT(engine_.drop(id));
    std::erase_if(requests_, [&](const Known& one) { return one.id == id; });
  }

  void end_task(Draw& draw, bool retire) {
    const auto node = any_node(draw);
    if (!node || oracle_.nodes[*node]->tasks.empty()) return;
    auto& tasks = oracle_.nodes[*node]->tasks;
    const std::int64_t at = draw.below(static_cast<std::int64_t>(tasks.size()));
    const ReservationId id = tasks[static_cast<std::size_t>(at)].reservation;
    if (retire) {
      tasks[static_cast<std::size_t>(at)].counted = false;
      RC_ASSERT(engine_.retire(id));
      return;
    }
    tasks.erase(tasks.begin() + at);
    RC_ASSERT(engine_.release(id));
    RC_ASSERT(!engine_.release(id));
    RC_ASSERT(!engine_.node_of(id).has_value());
  }

  // Facts from elsewhere: they may contradict what is booked.
  void adopt(Draw& draw) {
    const auto node = any_node(draw);
    if (!node) return;
    Adoption adoption{.node = NodeIndex{*node}, .needs = draw_needs(draw), .group = "family:web"};
    if (draw.one_in(2)) adoption.service = "web";
    if (draw.one_in(3))
      adoption.devices.push_back({.need = 0, .device_id = "gpu-" + std::to_string(draw.below(5))});
    const auto id = engine_.adopt(adoption);
    RC_ASSERT(id.has_value());
    oracle_.nodes[*node]->tasks.push_back(
        {adoption.group, adoption.service, adoption.needs, adoption.devices, true, *id});
  }

  // What was granted is free to be granted: no double booking.
  void take(const Request& request, const Placement& placed) {
    const std::uint32_t node = raw(placed.node);
    RC_ASSERT(engine_.node_of(placed.reservation) == placed.node);
    const Needs& needs = *oracle_.needs(request, node);
    RC_ASSERT(oracle_.objection(node, needs, placed.devices) == "");
    RC_ASSERT(placed.devices == oracle_.grants(request, node));
    oracle_.nodes[node]->tasks.push_back(
        {request.group, request.service, needs, placed.devices, true, placed.reservation});
  }

  void place(Draw& draw) {
    const Known* known = any_request(draw);
    if (known == nullptr) return;
    const std::uint64_t dice = draw.next();
    const std::size_t count = draw.one_in(3) ? 3 : 1;
    const auto placed = engine_.place_many(known->id, count, dice);
    for (std::size_t i = 0; i < count; ++i) {
      const auto wanted = oracle_.decide(known->request, dice + i);
      RC_ASSERT(wanted.has_value() == (i < placed.size()));
      if (!wanted) break;
      RC_ASSERT(raw(placed[i].node) == *wanted);
      take(known->request, placed[i]);
    }
  }

  void place_on(Draw& draw) {
    const Known* known = any_request(draw);
    const auto node = any_node(draw);
    if (known == nullptr || !node) return;
    const auto wanted = oracle_.refusal(known->request, *node);
    const auto placed = engine_.place_on(known->id, NodeIndex{*node});
    RC_ASSERT(placed.has_value() == !wanted.has_value());
    if (placed) {
      take(known->request, *placed);
    } else {
      RC_ASSERT(placed.error().reason == *wanted);
    }
  }

  void explain(Draw& draw) {
    const Known* known = any_request(draw);
    if (known == nullptr) return;
    const Explanation explanation = engine_.explain(known->id);
    std::size_t fitting = 0;
    std::size_t refused = 0;
    for (std::uint32_t node = 0; node < oracle_.nodes.size(); ++node) {
      if (!oracle_.nodes[node]) continue;
      const auto wanted = oracle_.refusal(known->request, node);
      if (!wanted) {
        RC_ASSERT(raw(explanation.fitting.at(fitting++)) == node);
      } else if (*wanted != Reason::Owner) {
        const Refusal& refusal = explanation.refusals.at(refused++);
        RC_ASSERT(raw(refusal.node) == node);
        RC_ASSERT(refusal.reason == *wanted);
        RC_ASSERT(!refusal.ecs_reason().empty());
      }
    }
    RC_ASSERT(fitting == explanation.fitting.size());
    RC_ASSERT(refused == explanation.refusals.size());
  }

  void what_if(Draw& draw) {
    const Known* known = any_request(draw);
    if (known == nullptr) return;
    const std::uint64_t dice = draw.next();
    const auto answer = engine_.what_if(known->id, 4, dice);
    RC_ASSERT(engine_.what_if(known->id, 4, dice) == answer);
    const auto wanted = oracle_.decide(known->request, dice);
    RC_ASSERT(answer.empty() == !wanted.has_value());
    if (wanted) RC_ASSERT(raw(answer.front()) == *wanted);
  }

  Engine engine_;
  Oracle oracle_;
  std::vector<Known> requests_;
  int next_id_ = 0;
};

using Simd = EngineOptions::Simd;

void run_history(Simd simd, std::int64_t nodes, const std::vector<std::uint64_t>& steps) {
  // None, a few, or all of the scores can be kept.
  const auto cache = *rc::gen::element<std::size_t>(0, 3000, 64 << 20);
  Draw draw(static_cast<std::uint64_t>(nodes));
  Twins twins({.simd = simd, .score_cache_bytes = cache}, draw);
  for (std::int64_t i = 0; i < nodes; ++i) twins.add_node(draw);
  for (int i = 0; i < 5; ++i) twins.compile(draw);
  for (const std::uint64_t seed : steps) twins.step(seed);
  twins.compare_books();
}

// Histories of a given length are not shrunk: that takes minutes and the first property finds most
// faults in short ones.
std::vector<std::uint64_t> draw_steps(std::size_t count) {
  return *rc::gen::noShrink(
      rc::gen::container<std::vector<std::uint64_t>>(count, rc::gen::arbitrary<std::uint64_t>()));
}
Simd draw_simd() {
  return *rc::gen::element(Simd::Scalar, Simd::Avx2, Simd::Avx512);
}

RC_GTEST_PROP(Engine, AnswersAsTheOracleDoesOnAFewNodes, (std::vector<std::uint64_t> steps)) {
  run_history(Simd::Auto, *rc::gen::inRange<std::int64_t>(0, 12), steps);
}

RC_GTEST_PROP(Engine, AnswersAsTheOracleDoesThroughALongHistory, ()) {
  run_history(draw_simd(), *rc::gen::inRange<std::int64_t>(0, 30), draw_steps(500));
}

RC_GTEST_PROP(Engine, AnswersAsTheOracleDoesOnNodesBeyondOneWord, ()) {
  run_history(draw_simd(), *rc::gen::inRange<std::int64_t>(60, 200), draw_steps(60));
}

}  // namespace
}  // namespace berth::placement::testing
