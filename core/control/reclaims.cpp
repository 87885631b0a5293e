// SPDX-License-Identifier: Apache-2.0
#include "core/control/reclaims.hpp"

#include <algorithm>
#include <utility>

#include "core/control/refusals.hpp"

namespace berth::control {
namespace {

constexpr const char* kReason = "Your Spot Task was interrupted.";
// The longest stopTimeout there is, and a minute to ask again.
constexpr milliseconds kKept = std::chrono::minutes(3);

bool is_within(const std::vector<std::string>& zones, const std::string& zone) {
  return zones.empty() || std::find(zones.begin(), zones.end(), zone) != zones.end();
}

bool covers(std::int64_t cpu, std::int64_t memory_mib, const v1::Requirement& needs) {
  return cpu >= needs.cpu() && memory_mib >= needs.memory_mib();
}

// Which of the victims have to go, the newest before older ones, and none in vain; nothing where
// all of them are not enough.
std::optional<std::vector<std::size_t>> enough(std::int64_t cpu, std::int64_t memory_mib,
                                               const std::vector<TaskPtr>& victims,
                                               const v1::Requirement& needs) {
  const auto add = [&](std::size_t at, int sign) {
    cpu += sign * victims[at]->launch->requirement.cpu();
    memory_mib += sign * victims[at]->launch->requirement.memory_mib();
  };
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < victims.size() && !covers(cpu, memory_mib, needs); ++i) {
    add(i, 1);
    picked.push_back(i);
  }
  if (!covers(cpu, memory_mib, needs)) return std::nullopt;
  // An older and larger one may have made newer ones needless.
  std::erase_if(picked, [&](std::size_t at) {
    add(at, -1);
    if (covers(cpu, memory_mib, needs)) return true;
    add(at, 1);
    return false;
  });
  return picked;
}

Placer::Outcome no_room(int missing) {
  Placer::Outcome outcome;
  outcome.missing = missing;
  outcome.failures.push_back({"", kNoRoomInPool, ""});
  outcome.refusals.push_back({.reason = "CAPACITY"});
  return outcome;
}

}  // namespace

Result<Placer::Outcome> Reclaims::place(const Wish& wish) {
  if (gives_way(wish.demand, wish.provider)) return place_what_gives_way(wish);
  auto outcome =
      rooms_.placer.place(wish.demand, wish.count, rooms_.desk.rng().next(), wish.explain);
  if (!outcome) return outcome;
  if (outcome->missing > 0) {
    make_room(wish.demand, outcome->missing);
  } else if (!promises_.empty()) {
    promises_.erase(key_of(wish.demand));
  }
  return outcome;
}

Result<Placer::Outcome> Reclaims::place_what_gives_way(const Wish& wish) {
  const auto zones = open_zones(wish.demand);
  if (!zones) return no_room(wish.count);
  Demand demand = wish.demand;
  demand.zones = *zones;
  return rooms_.placer.place(demand, wish.count, rooms_.desk.rng().next(), wish.explain);
}

bool Reclaims::gives_way(const Demand& demand, const std::string& provider) const {
  return std::any_of(demand.needs.begin(), demand.needs.end(), [&](const auto& need) {
    return rooms_.plugins.is_reclaimable(need.first, provider);
  });
}

std::optional<std::vector<std::string>> Reclaims::open_zones(const Demand& demand) {
  drop_overdue();
  std::vector<std::string> zones = demand.zones;
  for (const auto& [key, promise] : promises_) {
    const bool concerns =
        promise.cluster == demand.cluster &&
        std::any_of(demand.needs.begin(), demand.needs.end(),
                    [&](const auto& need) { return need.first == promise.plugin; });
    if (!concerns) continue;
    if (demand.zones.empty()) return std::nullopt;  // anywhere is there too
    std::erase_if(zones, [&](const std::string& zone) { return is_within(promise.zones, zone); });
    if (zones.empty()) return std::nullopt;
  }
  return zones;
}

void Reclaims::drop_overdue() {
  const Instant now = rooms_.desk.now();
  std::erase_if(promises_, [&](const auto& one) { return one.second.until <= now; });
}

void Reclaims::make_room(const Demand& demand, int missing) {
  drop_overdue();  // who never comes back must not leave one for good
  for (const auto& [plugin, needs] : demand.needs) {
    const Plugins::Plugin* known = rooms_.plugins.find(plugin);
    if (known == nullptr || known->about.reclaimable_providers.empty()) continue;
    if (!free_for(demand, plugin, needs, missing)) continue;
    promises_[key_of(demand)] = {demand.cluster, plugin, demand.zones, rooms_.desk.now() + kKept};
    return;
  }
}

bool Reclaims::free_for(const Demand& demand, const PluginName& plugin,
                        const v1::Requirement& needs, int missing) {
  auto nodes = yields(demand, plugin, needs);
  bool any = false;
  for (; missing > 0; --missing) {
    // The node where fewest have to go; the first of equals.
    std::optional<Choice> best;
    for (const auto& [node, yield] : nodes) {
      auto victims = enough(yield.cpu, yield.memory_mib, yield.victims, needs);
      if (victims && (!best || victims->size() < best->victims.size())) {
        best = Choice{node, *std::move(victims)};
      }
    }
    if (!best) break;
    any = true;
    Yield& yield = nodes.at(best->node);
    interrupt(yield, best->victims);
    yield.cpu -= needs.cpu();
    yield.memory_mib -= needs.memory_mib();
  }
  return any;
}

void Reclaims::interrupt(Yield& yield, const std::vector<std::size_t>& victims) {
  for (auto at = victims.rbegin(); at != victims.rend(); ++at) {
    const TaskPtr victim = yield.victims[*at];
    yield.victims.erase(yield.victims.begin() + static_cast<std::ptrdiff_t>(*at));
    yield.cpu += victim->launch->requirement.cpu();
    yield.memory_mib += victim->launch->requirement.memory_mib();
    rooms_.tasks.request_stop(victim->id, {StopCode::SpotInterruption, kReason});
    rooms_.delivery.pursue(victim->id);
  }
}

std::map<NodeId, Reclaims::Yield> Reclaims::yields(const Demand& demand, const PluginName& plugin,
                                                   const v1::Requirement& needs) {
  std::map<NodeId, Yield> out;
  std::map<NodeId, bool> takes;
  const State& state = rooms_.desk.state();
  for (const TaskId& id : state.tasks_by(plugin)) {
    const TaskPtr task = state.task(id);
    if (!task || task->last_status == TaskStatus::Stopped || task->cluster != demand.cluster ||
        !is_within(demand.zones, task->launch->availability_zone)) {
      continue;
    }
    const bool ends = task->desired_status == DesiredStatus::Stopped;
    if (!ends && !rooms_.plugins.is_reclaimable(plugin, task->launch->capacity_provider)) continue;
    const auto [take, first] = takes.try_emplace(task->node, false);
    if (first) take->second = would_take_if_empty(demand, plugin, needs, task->node);
    if (!take->second) continue;
    Yield& yield = out[task->node];
    if (first) {
      const auto left = rooms_.placer.room_of(demand.cluster, task->node);
      yield.cpu = left->cpu;
      yield.memory_mib = left->memory_mib;
    }
    if (ends) {
      yield.cpu += task->launch->requirement.cpu();
      yield.memory_mib += task->launch->requirement.memory_mib();
    } else {
      yield.victims.push_back(task);
    }
  }
  for (auto& [node, yield] : out) {
    std::stable_sort(yield.victims.begin(), yield.victims.end(),
                     [](const TaskPtr& a, const TaskPtr& b) {
                       return a->launch->created_at > b->launch->created_at;
                     });
  }
  return out;
}

// Of a node that takes no tasks, or none of this kind (another architecture), nothing is freed.
bool Reclaims::would_take_if_empty(const Demand& demand, const PluginName& plugin,
                                   v1::Requirement needs, const NodeId& node) {
  if (!rooms_.placer.room_of(demand.cluster, node)) return false;
  needs.clear_cpu();
  needs.clear_memory_mib();
  Demand bare = demand;
  bare.needs = {{plugin, std::move(needs)}};
  return rooms_.placer.would_take(bare, node).value_or(false);
}

}  // namespace berth::control
