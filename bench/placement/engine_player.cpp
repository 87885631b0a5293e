// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/engine_player.hpp"

#include <sys/mman.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace berth::bench {
namespace {

using namespace placement;  // NOLINT: names of the engine under test

std::vector<Strategy> strategies_of(Plan plan) {
  const Strategy zones{Strategy::Kind::SpreadAttribute, std::string(kZoneAttribute)};
  switch (plan) {
    case Plan::BinpackCpu:
      return {{Strategy::Kind::BinpackCpu}};
    case Plan::BinpackMemory:
      return {{Strategy::Kind::BinpackMemory}};
    case Plan::SpreadZone:
      return {zones};
    case Plan::SpreadInstance:
      return {{Strategy::Kind::SpreadInstance}};
    case Plan::Random:
      return {{Strategy::Kind::Random}};
    case Plan::Chain:
      return {zones, {Strategy::Kind::BinpackMemory}};
  }
  std::abort();
}

Needs needs_of(const Load& load, std::uint32_t group) {
  const Shape& shape = load.shape_of(group);
  return Needs{.cpu = shape.cpu, .memory_mib = shape.memory_mib};
}

std::string name_of_group(std::uint32_t group) {
  return "family:g" + std::to_string(group);
}

}  // namespace

EngineOptions with_huge_pages(EngineOptions options) {
  options.advise_memory = [](void* at, std::size_t bytes) {
    static_cast<void>(::madvise(at, bytes, MADV_HUGEPAGE));
  };
  return options;
}

EnginePlayer::EnginePlayer(const Load& load, Plan plan, EngineOptions options)
    : engine_(with_huge_pages(options)) {
  add_nodes(load);
  adopt_tasks(load);
  compile_requests(load, plan);
}

void EnginePlayer::add_nodes(const Load& load) {
  for (std::uint32_t node = 0; node < load.hosts.size(); ++node) add_node(node, load.hosts[node]);
}

void EnginePlayer::adopt_tasks(const Load& load) {
  running_.reserve(load.running.size());
  for (const Running& task : load.running) {
    const auto id = engine_.adopt({.node = NodeIndex{task.node},
                                   .needs = needs_of(load, task.group),
                                   .group = name_of_group(task.group)});
    running_.push_back({id.value(), task.node, task.group});
  }
}

void EnginePlayer::compile_requests(const Load& load, Plan plan) {
  for (std::uint32_t group = 0; group < kGroups; ++group) {
    Request request{.group = name_of_group(group),
                    .needs = {{"ec2", needs_of(load, group)}},
                    .strategies = strategies_of(plan)};
    if (plan == Plan::Chain) {
      const bool blue = Load::color_of(group) == 0;
      request.constraints = {{Constraint::Kind::MemberOf,
                              blue ? "attribute:color == blue" : "attribute:color == green"}};
    }
    requests_.push_back(engine_.compile(request).value());
  }
  // The first decision of a request may look at every node once.
  for (const RequestId request : requests_) static_cast<void>(engine_.what_if(request, 1, 0));
}

std::optional<EnginePlayer::Ticket> EnginePlayer::place(const Step& step) {
  const auto placed = engine_.place(requests_[step.group], step.dice);
  if (!placed) return std::nullopt;
  return Ticket{placed->reservation, static_cast<std::uint32_t>(placed->node), step.group};
}

void EnginePlayer::set_draining(std::uint32_t node, bool draining) {
  engine_.set_status(NodeIndex{node},
                     {.state = draining ? NodeSpec::State::Draining : NodeSpec::State::Active});
}

Shape EnginePlayer::remove_node(std::uint32_t node) {
  const auto& spec = engine_.node(NodeIndex{node});
  const Remaining left = engine_.remaining(NodeIndex{node}).value();
  const Shape held{static_cast<std::int32_t>(spec.cpu - left.cpu),
                   static_cast<std::int32_t>(spec.memory_mib - left.memory_mib)};
  engine_.remove_node(NodeIndex{node});
  return held;
}

void EnginePlayer::add_node(std::uint32_t node, const Host& host) {
  static const std::array<std::string, kZones> kZoneNames = {"us-east-1a", "us-east-1b",
                                                             "us-east-1c"};
  const auto added =
      engine_.add_node({.id = "n" + std::to_string(names_++),
                        .owner = "ec2",
                        .cpu = host.cpu,
                        .memory_mib = host.memory_mib,
                        .attributes = {{std::string(kZoneAttribute), kZoneNames[host.zone]},
                                       {"color", host.color == 0 ? "blue" : "green"}}});
  if (added && added.value() == NodeIndex{node}) return;
  std::fprintf(stderr, "The engine did not give a new node the lowest free index, %u.\n", node);
  std::abort();
}

}  // namespace berth::bench
