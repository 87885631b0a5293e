// SPDX-License-Identifier: Apache-2.0
// The strategies beyond ECS's, from core/placement/README.md's text.
#include <algorithm>
#include <cmath>
#include <set>

#include "core/placement/scores.hpp"
#include "tests/core/placement/oracle.hpp"

namespace berth::placement::testing {
namespace {

using Node = Oracle::Node;

bool is_gpu(const Device& device) {
  return device.type == "GPU";
}

// A device as the scores see it, once `more` are given too.
std::int64_t shown(const Node& node, const std::vector<DeviceGrant>& more, const Device& device) {
  if (!device.healthy) return 0;
  for (const Device& other : node.spec.devices) {
    const bool related =
        other.id != device.id && (is_within(node, other, device) || is_within(node, device, other));
    if (related && use_of(node, more, other.id).any) return 0;
  }
  const DeviceUse use = use_of(node, more, device.id);
  if (!use.any) return 1000;
  if (use.whole || device.share_milli == 0) return 0;
  return std::clamp<std::int64_t>(device.share_milli - use.share, 0, 999);
}

std::int64_t shown_in_all(const Node& node) {
  std::int64_t out = 0;
  for (const Device& device : node.spec.devices)
    out += is_gpu(device) ? shown(node, {}, device) : 0;
  return out;
}

std::int64_t gpu_milli(const NodeSpec& spec) {
  return 1000 * std::count_if(spec.devices.begin(), spec.devices.end(), is_gpu);
}

std::int64_t whole_gpus(const Needs& needs) {
  std::int64_t out = 0;
  for (const DeviceNeed& need : needs.devices) out += need.type == "GPU" ? need.count : 0;
  return out;
}

const DeviceNeed* first_gpu_part(const Needs& needs) {
  for (const DeviceNeed& need : needs.devices) {
    if (need.type == "GPU" && need.count == 0) return &need;
  }
  return nullptr;
}

DeviceGrant grant_of(const DeviceNeed& need, const std::string& id) {
  return {.need = 0,
          .device_id = id,
          .share_milli = need.count > 0 ? 0 : need.share_milli,
          .memory_mib = need.count > 0 ? 0 : need.memory_mib,
          .whole = need.count > 0};
}

}  // namespace

std::int64_t Oracle::score(const Strategy& strategy, const Request& request,
                           std::uint32_t node) const {
  const Needs& want = *needs(request, node);
  switch (strategy.kind) {
    case Strategy::Kind::GpuPacking:
      return packing(want, node);
    case Strategy::Kind::GpuClustering:
      return clustering(want, node);
    case Strategy::Kind::Fragmentation:
      return fragmentation(strategy.levels, want, node).score;
    case Strategy::Kind::Affinity:
      return affinity(request, node);
    default:
      return measured(strategy, want, node);
  }
}

// The formulas are scores.hpp's, which have tests of their own; what goes into them is found here.
std::int64_t Oracle::measured(const Strategy& strategy, const Needs& want,
                              std::uint32_t node) const {
  const Node& n = *nodes[node];
  const bool by_node = strategy.kind == Strategy::Kind::L2Fit;
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  std::int64_t gpus = 0;
  for (std::uint32_t other = 0; other < nodes.size(); ++other) {
    if (!nodes[other] || (by_node && other != node)) continue;
    cpu = std::max(cpu, nodes[other]->spec.cpu);
    memory = std::max(memory, nodes[other]->spec.memory_mib);
    gpus = std::max(gpus, gpu_milli(nodes[other]->spec));
  }
  std::int64_t wanted_gpus = 0;
  for (const DeviceNeed& need : want.devices)
    wanted_gpus += need.type == "GPU" ? 1000 * need.count + need.share_milli : 0;
  std::vector<Dimension> dimensions;
  const auto add = [&](std::uint8_t bit, std::int64_t left, std::int64_t request,
                       std::int64_t scale) {
    left = std::max<std::int64_t>(left, 0);
    if ((strategy.measured & bit) != 0 && scale > 0)
      dimensions.push_back({left, std::min(request, left), scale});
  };
  add(Strategy::kCpu, cpu_left(n), want.cpu, cpu);
  add(Strategy::kMemory, memory_left(n), want.memory_mib, memory);
  add(Strategy::kDevices, shown_in_all(n), wanted_gpus, gpus);
  if (by_node) return l2_fit(dimensions);
  return strategy.kind == Strategy::Kind::BestFit ? best_fit(dimensions, strategy.levels)
                                                  : dot_product(dimensions, strategy.levels);
}

std::int64_t Oracle::packing(const Needs& want, std::uint32_t node) const {
  const Node& n = *nodes[node];
  const std::int64_t whole = whole_gpus(want);
  const DeviceNeed* part = first_gpu_part(want);
  if (whole == 0 && part == nullptr) return 0;
  const std::int64_t share = whole > 0 ? 1000 : part->share_milli;
  const std::int64_t count = whole > 0 ? whole : 1;
  std::int64_t gpus = 0;
  bool all_free = true;
  std::vector<std::int64_t> serving;
  for (const Device& device : n.spec.devices) {
    if (!is_gpu(device)) continue;
    ++gpus;
    const std::int64_t left = shown(n, {}, device);
    all_free = all_free && left == 1000;
    const bool serves =
        std::any_of(want.devices.begin(), want.devices.end(), [&](const DeviceNeed& need) {
          return grant_objection(n, {}, need, grant_of(need, device.id)).empty();
        });
    if (serves && left >= share) serving.push_back(left);
  }
  if (std::ssize(serving) < count) return 0;
  if (all_free) return std::max<std::int64_t>(33 - gpus, 0);
  const std::int64_t tightest = *std::min_element(serving.begin(), serving.end());
  if (tightest == 1000) return std::max<std::int64_t>(50 - count, 33);
  return std::max<std::int64_t>(100 - tightest / 100, 50);
}

std::int64_t Oracle::clustering(const Needs& want, std::uint32_t node) const {
  const Node& n = *nodes[node];
  const std::int64_t whole = whole_gpus(want);
  if (whole == 0 && first_gpu_part(want) == nullptr) return 0;
  std::set<std::int64_t> kinds;
  for (const Task& task : n.tasks) {
    std::int64_t held = 0;
    bool any = false;
    for (const DeviceGrant& grant : task.devices) {
      const Device* device = find_device(n, grant.device_id);
      if (device == nullptr || !is_gpu(*device)) continue;
      any = true;
      held += grant.whole ? 1 : 0;
    }
    if (any) kinds.insert(held);
  }
  std::int64_t most = 0;
  for (const auto& other : nodes) most = std::max(most, other ? gpu_milli(other->spec) : 0);
  const std::int64_t used = 25 * (most - shown_in_all(n)) / most;
  if (kinds.empty()) return used + 25;
  if (!kinds.contains(whole)) return used;
  return used + (kinds.size() == 1 ? 75 : 50);
}

// F(n), in thousandths of a device times weight.
std::int64_t Oracle::wasted(std::uint32_t node, std::int64_t cpu,
                            const std::vector<DeviceGrant>& more) const {
  const Node& n = *nodes[node];
  std::int64_t out = 0;
  for (const ExpectedTask& task : target) {
    std::int64_t left = 0;
    std::int64_t useless = 0;
    std::int64_t serving = 0;
    for (const Device& device : n.spec.devices) {
      if (!is_gpu(device)) continue;
      const std::int64_t here = shown(n, more, device);
      const auto& models = task.models;
      const bool accepted =
          models.empty() || std::find(models.begin(), models.end(), device.model) != models.end();
      const bool divided = task.share_milli == 1000 || device.share_milli > 0;
      const bool serves = accepted && divided && here >= task.share_milli;
      left += here;
      useless += serves ? 0 : here;
      serving += serves ? 1 : 0;
    }
    const bool none = task.devices == 0 || cpu < task.cpu || serving < task.devices;
    out += task.weight * (none ? left : useless);
  }
  return out;
}

Oracle::Scored Oracle::fragmentation(std::int32_t levels, const Needs& want,
                                     std::uint32_t node) const {
  std::int64_t weight = 0;
  for (const ExpectedTask& task : target) weight += task.weight;
  const Node& n = *nodes[node];
  const std::int64_t cpu = cpu_left(n);
  const std::int64_t before = wasted(node, cpu, {});
  const auto score_with = [&](const std::vector<DeviceGrant>& given) {
    const auto delta = static_cast<long double>(wasted(node, cpu - want.cpu, given) - before) /
                       (1000.0L * static_cast<long double>(weight));
    return static_cast<std::int64_t>(
        std::floor(static_cast<long double>(levels) / (1.0L + std::exp(delta))));
  };
  const bool chooses = want.devices.size() == 1 && first_gpu_part(want) != nullptr;
  if (!chooses) {
    std::vector<DeviceGrant> given;
    static_cast<void>(grant(node, want, {}, given));
    return {.score = score_with(given)};
  }
  Scored best{.score = -1};
  for (const Device& device : n.spec.devices) {
    const DeviceGrant one = grant_of(want.devices[0], device.id);
    if (!grant_objection(n, {}, want.devices[0], one).empty()) continue;
    const std::int64_t here = score_with({one});
    if (here > best.score) best = {.score = here, .device = device.id};
  }
  return best;
}

std::int64_t Oracle::affinity(const Request& request, std::uint32_t node) const {
  std::int64_t out = 0;
  for (const AffinityTerm& term : request.affinity)
    out += holds_for(*nodes[node], term.expression) ? term.weight : 0;
  return out;
}

std::vector<DeviceGrant> Oracle::grants(const Request& request, std::uint32_t node) const {
  const Needs& want = *needs(request, node);
  for (const Strategy& strategy : request.strategies) {
    if (strategy.kind != Strategy::Kind::Fragmentation) continue;
    const Scored chosen = fragmentation(strategy.levels, want, node);
    if (!chosen.device.empty()) return {grant_of(want.devices[0], chosen.device)};
    break;
  }
  std::vector<DeviceGrant> out;
  static_cast<void>(grant(node, want, {}, out));
  return out;
}

}  // namespace berth::placement::testing
