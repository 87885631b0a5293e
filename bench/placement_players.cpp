// SPDX-License-Identifier: Apache-2.0
#include "bench/placement_players.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <string>

namespace berth::bench {
namespace {

using namespace placement;  // NOLINT: names of the engine under test

const Kernels& widest() {
  if (const Kernels* wide = avx512_kernels()) return *wide;
  if (const Kernels* half = avx2_kernels()) return *half;
  return scalar_kernels();
}

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

void count(GroupCounts& counts, const Running& task, int sign) {
  auto& nodes = counts[task.group];
  auto at = std::lower_bound(nodes.begin(), nodes.end(), std::pair(task.node, INT32_MIN));
  if (at == nodes.end() || at->first != task.node) at = nodes.insert(at, {task.node, 0});
  at->second += sign;
  if (at->second == 0) nodes.erase(at);
}

template <typename Int>
Columns<Int> columns_of(const Load& load) {
  const std::size_t padded = (load.hosts.size() + 63) / 64 * 64;
  Columns<Int> out{std::vector<Int>(padded), std::vector<Int>(padded),
                   std::vector<std::int32_t>(padded)};
  for (std::size_t i = 0; i < load.hosts.size(); ++i) {
    out.cpu[i] = load.hosts[i].cpu;
    out.memory[i] = load.hosts[i].memory_mib;
    out.zone[i] = static_cast<std::int32_t>(load.hosts[i].zone);
  }
  return out;
}

template <typename Int>
std::array<std::int32_t, kZones> zone_counts(const GroupCounts& counts, const Columns<Int>& columns,
                                             std::uint32_t group) {
  std::array<std::int32_t, kZones> out{};
  for (const auto& [node, tasks] : counts[group])
    out[static_cast<std::size_t>(columns.zone[node])] += tasks;
  return out;
}

}  // namespace

// ---- The engine

EnginePlayer::EnginePlayer(const Load& load, Plan plan, EngineOptions options) : engine_(options) {
  const std::array<std::string, kZones> zones = {"us-east-1a", "us-east-1b", "us-east-1c"};
  for (std::size_t i = 0; i < load.hosts.size(); ++i) {
    const Host& host = load.hosts[i];
    const auto added =
        engine_.add_node({.id = "n" + std::to_string(i),
                          .owner = "ec2",
                          .cpu = host.cpu,
                          .memory_mib = host.memory_mib,
                          .attributes = {{std::string(kZoneAttribute), zones[host.zone]},
                                         {"color", host.color == 0 ? "blue" : "green"}}});
    if (!added) std::abort();
  }
  const auto needs = [&](std::uint32_t group) {
    const Shape& shape = load.shape_of(group);
    return Needs{.cpu = shape.cpu, .memory_mib = shape.memory_mib};
  };
  for (std::uint32_t group = 0; group < kGroups; ++group) {
    Request request{.group = "family:g" + std::to_string(group),
                    .needs = {{"ec2", needs(group)}},
                    .strategies = strategies_of(plan)};
    if (plan == Plan::Chain) {
      const bool blue = Load::color_of(group) == 0;
      request.constraints = {{Constraint::Kind::MemberOf,
                              blue ? "attribute:color == blue" : "attribute:color == green"}};
    }
    requests_.push_back(engine_.compile(request).value());
  }
  for (const Running& task : load.running) {
    const auto id = engine_.adopt({.node = NodeIndex{task.node},
                                   .needs = needs(task.group),
                                   .group = "family:g" + std::to_string(task.group)});
    running_.push_back({id.value(), task.node});
  }
  // The first decision of a request looks at every node once.
  for (const RequestId request : requests_) static_cast<void>(engine_.what_if(request, 1, 0));
}

std::optional<EnginePlayer::Ticket> EnginePlayer::place(const Step& step) {
  const auto placed = engine_.place(requests_[step.group], step.dice);
  if (!placed) return std::nullopt;
  return Ticket{placed->reservation, static_cast<std::uint32_t>(placed->node)};
}

void EnginePlayer::set_draining(std::uint32_t node, bool draining) {
  engine_.set_status(NodeIndex{node},
                     {.state = draining ? NodeSpec::State::Draining : NodeSpec::State::Active});
}

// ---- The plain scan

ScanPlayer::ScanPlayer(const Load& load, Plan plan)
    : load_(load),
      plan_(plan),
      left_(columns_of<std::int64_t>(load)),
      open_(load.hosts.size(), 1),
      tasks_of_node_(load.hosts.size()),
      counts_(kGroups) {
  for (const Running& task : load.running) book(task, 1);
}

void ScanPlayer::book(const Ticket& ticket, int sign) {
  const Shape& shape = load_.shape_of(ticket.group);
  left_.cpu[ticket.node] -= sign * shape.cpu;
  left_.memory[ticket.node] -= sign * shape.memory_mib;
  count(counts_, ticket, sign);
}

void ScanPlayer::release(const Ticket& ticket) {
  book(ticket, -1);
}

bool ScanPlayer::fits(std::uint32_t node, std::uint32_t group) const {
  const Shape& shape = load_.shape_of(group);
  return open_[node] != 0 && left_.cpu[node] >= shape.cpu &&
         left_.memory[node] >= shape.memory_mib &&
         (plan_ != Plan::Chain || load_.hosts[node].color == Load::color_of(group));
}

template <typename KeyOf>
std::optional<std::uint32_t> ScanPlayer::first_least(std::uint32_t group,
                                                     const KeyOf& key_of) const {
  std::optional<std::uint32_t> best;
  auto least = key_of(0);
  for (std::uint32_t node = 0; node < load_.hosts.size(); ++node) {
    if (!fits(node, group)) continue;
    const auto key = key_of(node);
    if (best && key >= least) continue;
    best = node;
    least = key;
  }
  return best;
}

std::optional<std::uint32_t> ScanPlayer::decide(const Step& step) {
  switch (plan_) {
    case Plan::BinpackCpu:
      return first_least(step.group, [this](std::uint32_t node) { return left_.cpu[node]; });
    case Plan::BinpackMemory:
      return first_least(step.group, [this](std::uint32_t node) { return left_.memory[node]; });
    case Plan::SpreadInstance: {
      for (const auto& [node, tasks] : counts_[step.group]) tasks_of_node_[node] = tasks;
      const auto best =
          first_least(step.group, [this](std::uint32_t node) { return tasks_of_node_[node]; });
      for (const auto& [node, tasks] : counts_[step.group]) tasks_of_node_[node] = 0;
      return best;
    }
    case Plan::SpreadZone:
    case Plan::Chain: {
      const auto zones = zone_counts(counts_, left_, step.group);
      const auto tasks = [&](std::uint32_t node) {
        return zones[static_cast<std::size_t>(left_.zone[node])];
      };
      if (plan_ == Plan::SpreadZone) return first_least(step.group, tasks);
      return first_least(step.group, [&](std::uint32_t node) {
        return std::pair(tasks(node), left_.memory[node]);
      });
    }
    case Plan::Random: {
      std::uint32_t fitting = 0;
      for (std::uint32_t node = 0; node < load_.hosts.size(); ++node)
        fitting += fits(node, step.group) ? 1 : 0;
      if (fitting == 0) return std::nullopt;
      auto rank = static_cast<std::uint32_t>(step.dice % fitting);
      for (std::uint32_t node = 0; node < load_.hosts.size(); ++node) {
        if (fits(node, step.group) && rank-- == 0) return node;
      }
    }
  }
  return std::nullopt;
}

std::optional<ScanPlayer::Ticket> ScanPlayer::place(const Step& step) {
  const auto node = decide(step);
  if (!node) return std::nullopt;
  book({*node, step.group}, 1);
  return Ticket{*node, step.group};
}

// ---- The vectorised scan

SimdPlayer::SimdPlayer(const Load& load, Plan plan)
    : load_(load),
      plan_(plan),
      kernels_(widest()),
      left_(columns_of<std::int32_t>(load)),
      scratch_(left_.cpu.size() / 64),
      tasks_of_node_(left_.cpu.size()),
      counts_(kGroups) {
  for (auto& open : open_) open.resize(scratch_.size());
  for (std::uint32_t node = 0; node < load.hosts.size(); ++node) set_draining(node, false);
  for (const Running& task : load.running) book(task, 1);
}

void SimdPlayer::set_draining(std::uint32_t node, bool draining) {
  const std::uint64_t bit = std::uint64_t{1} << (node % 64);
  for (std::uint32_t color = 0; color < 2; ++color) {
    const bool open = !draining && (plan_ != Plan::Chain || load_.hosts[node].color == color);
    std::uint64_t& word = open_[color][node / 64];
    word = open ? word | bit : word & ~bit;
  }
}

void SimdPlayer::book(const Ticket& ticket, int sign) {
  const Shape& shape = load_.shape_of(ticket.group);
  left_.cpu[ticket.node] -= sign * shape.cpu;
  left_.memory[ticket.node] -= sign * shape.memory_mib;
  count(counts_, ticket, sign);
}

std::optional<std::uint32_t> SimdPlayer::decide(const Step& step) {
  const Shape& shape = load_.shape_of(step.group);
  const auto& open = open_[Load::color_of(step.group)];
  const std::array<Floor, 2> floors = {
      {{left_.cpu.data(), shape.cpu}, {left_.memory.data(), shape.memory_mib}}};
  const auto first = [&](Key key) -> std::optional<std::uint32_t> {
    const Best best = kernels_.first_least(open, floors, key);
    return best.node == Best::kNone ? std::nullopt
                                    : std::optional(static_cast<std::uint32_t>(best.node));
  };
  const auto gather = [&] {
    std::fill(scratch_.begin(), scratch_.end(), 0);
    kernels_.filter(open, floors, scratch_.data());
  };
  switch (plan_) {
    case Plan::BinpackCpu:
      return first({left_.cpu.data()});
    case Plan::BinpackMemory:
      return first({left_.memory.data()});
    case Plan::SpreadInstance: {
      for (const auto& [node, tasks] : counts_[step.group]) tasks_of_node_[node] = tasks;
      const auto best = first({tasks_of_node_.data()});
      for (const auto& [node, tasks] : counts_[step.group]) tasks_of_node_[node] = 0;
      return best;
    }
    case Plan::SpreadZone:
    case Plan::Chain: {
      const auto zones = zone_counts(counts_, left_, step.group);
      if (plan_ == Plan::SpreadZone) return first({left_.zone.data(), zones.data()});
      gather();
      kernels_.keep_least(scratch_, {left_.zone.data(), zones.data()});
      const Best best = kernels_.first_least(scratch_, {}, {left_.memory.data()});
      return best.node == Best::kNone ? std::nullopt
                                      : std::optional(static_cast<std::uint32_t>(best.node));
    }
    case Plan::Random: {
      gather();
      std::uint64_t fitting = 0;
      for (const std::uint64_t word : scratch_)
        fitting += static_cast<std::uint64_t>(std::popcount(word));
      if (fitting == 0) return std::nullopt;
      std::uint64_t rank = step.dice % fitting;
      for (std::uint32_t w = 0; w < scratch_.size(); ++w) {
        for (std::uint64_t word = scratch_[w]; word != 0; word &= word - 1) {
          if (rank-- == 0) return w * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<SimdPlayer::Ticket> SimdPlayer::place(const Step& step) {
  const auto node = decide(step);
  if (!node) return std::nullopt;
  book({*node, step.group}, 1);
  return Ticket{*node, step.group};
}

}  // namespace berth::bench
