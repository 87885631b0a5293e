// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "bench/replay/dice.hpp"
#include "bench/replay/player.hpp"
#include "core/placement/scores.hpp"

namespace berth::replay {
namespace {

using placement::DeviceAsk;
using placement::DeviceChoice;
using placement::DeviceFree;
using placement::Dimension;

struct Host {
  std::int64_t cpu = 0;  // what it has in all
  std::int64_t memory_mib = 0;
  std::int64_t cpu_left = 0;
  std::int64_t memory_left_mib = 0;
  std::int64_t gpu_left_milli = 0;
  std::vector<DeviceFree> devices{};
  std::vector<std::int32_t> kinds{};  // of device tasks: 0 for parts, else the number of devices
  std::int32_t tasks = 0;

  [[nodiscard]] bool fits(const TraceTask& task) const {
    const auto fitting = std::ranges::count_if(
        devices, [&task](const DeviceFree& device) { return task.ask.fits(device); });
    return cpu_left >= task.ask.cpu && memory_left_mib >= task.memory_mib &&
           fitting >= task.ask.devices;
  }
};

std::int32_t kind_of(const DeviceAsk& ask) {
  return ask.whole() ? ask.devices : 0;
}

// The largest node's amounts: what the scores of the FGD study measure by.
struct Scale {
  std::int64_t cpu = 1;
  std::int64_t gpu_milli = 1;
};

class ExhaustivePlayer final : public Player {
 public:
  ExhaustivePlayer(const Trace& trace, const std::vector<std::uint32_t>& order, Strategy strategy,
                   std::optional<placement::Fragmentation> fragmentation)
      : strategy_(strategy), fragmentation_(std::move(fragmentation)), dice_(strategy.seed) {
    for (const std::uint32_t row : order) {
      const TraceNode& node = trace.nodes[row];
      hosts_.push_back({.cpu = node.cpu_milli,
                        .memory_mib = node.memory_mib,
                        .cpu_left = node.cpu_milli,
                        .memory_left_mib = node.memory_mib,
                        .gpu_left_milli = std::int64_t{node.devices} * 1000});
      hosts_.back().devices.assign(static_cast<std::size_t>(node.devices),
                                   {.share_milli = 1000, .model = node.model});
      scale_.cpu = std::max(scale_.cpu, node.cpu_milli);
      scale_.gpu_milli = std::max(scale_.gpu_milli, std::int64_t{node.devices} * 1000);
    }
  }

  std::optional<std::uint32_t> place(const TraceTask& task) override {
    const std::optional<Place> found =
        strategy_.policy == Policy::Random ? at_random(task) : best(task);
    if (!found) return std::nullopt;
    book(hosts_[found->node], task, found->device);
    return found->node;
  }

 private:
  struct Place {
    std::uint32_t node = 0;
    std::size_t device = 0;  // the first, of tasks with devices
  };

  std::optional<Place> best(const TraceTask& task) const {
    std::optional<Place> best;
    std::int32_t best_score = 0;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
      if (!hosts_[i].fits(task)) continue;
      const DeviceChoice choice = choose(hosts_[i], task);
      if (best && choice.score <= best_score) continue;
      best = {.node = i, .device = choice.device};
      best_score = choice.score;
    }
    return best;
  }

  std::optional<Place> at_random(const TraceTask& task) {
    std::vector<std::uint32_t> fitting;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
      if (hosts_[i].fits(task)) fitting.push_back(i);
    }
    if (fitting.empty()) return std::nullopt;
    const std::uint32_t node = fitting[dice_.below(fitting.size())];
    if (task.ask.devices == 0) return Place{.node = node};
    std::vector<std::size_t> devices;
    for (std::size_t i = 0; i < hosts_[node].devices.size(); ++i) {
      if (task.ask.fits(hosts_[node].devices[i])) devices.push_back(i);
    }
    // Of several whole devices the first that fit are taken: all are alike.
    return Place{.node = node,
                 .device = task.ask.whole() ? devices[0] : devices[dice_.below(devices.size())]};
  }

  [[nodiscard]] DeviceChoice choose(const Host& host, const TraceTask& task) const {
    if (strategy_.policy == Policy::Fgd) {
      return fragmentation_->choose({.cpu = host.cpu_left, .devices = host.devices}, task.ask)
          .value();
    }
    return {.score = score(host, task),
            .device = placement::tightest_device(host.devices, task.ask).value_or(0)};
  }

  [[nodiscard]] std::int32_t score(const Host& host, const TraceTask& task) const {
    const std::array<Dimension, 2> of_cluster = {
        {{host.cpu_left, task.ask.cpu, scale_.cpu},
         {host.gpu_left_milli, task.gpu_milli(), scale_.gpu_milli}}};
    switch (strategy_.policy) {
      case Policy::BestFit:
        return placement::best_fit(of_cluster, strategy_.levels);
      case Policy::DotProduct:
        return placement::dot_product(of_cluster, strategy_.levels);
      case Policy::Packing:
        return placement::gpu_packing(host.devices, task.ask);
      case Policy::Clustering:
        return clustering(host, task.ask);
      case Policy::L2:
        return l2(host, task);
      case Policy::BinpackCpu:
        return static_cast<std::int32_t>(-host.cpu_left);
      case Policy::BinpackMemory:
        return static_cast<std::int32_t>(-host.memory_left_mib);
      case Policy::Spread:
        return -host.tasks;
      case Policy::Fgd:
      case Policy::Random:
        break;
    }
    return 0;
  }

  [[nodiscard]] std::int32_t clustering(const Host& host, const DeviceAsk& ask) const {
    const std::int32_t kind = kind_of(ask);
    const bool same = std::ranges::find(host.kinds, kind) != host.kinds.end();
    return placement::gpu_clustering(
        {.left_milli = host.gpu_left_milli,
         .scale_milli = scale_.gpu_milli,
         .hosted = {.same = same, .others = host.kinds.size() > (same ? 1U : 0U)}},
        ask);
  }

  // By what the node has; a resource that it lacks does not count.
  static std::int32_t l2(const Host& host, const TraceTask& task) {
    std::array<Dimension, 3> dimensions;
    std::size_t count = 0;
    const auto add = [&](const Dimension& one) {
      if (one.scale > 0) dimensions[count++] = one;
    };
    add({host.cpu_left, task.ask.cpu, host.cpu});
    add({host.memory_left_mib, task.memory_mib, host.memory_mib});
    add({host.gpu_left_milli, task.gpu_milli(),
         static_cast<std::int64_t>(host.devices.size()) * 1000});
    return placement::l2_fit(std::span(dimensions).first(count));
  }

  static void book(Host& host, const TraceTask& task, std::size_t device) {
    host.cpu_left -= task.ask.cpu;
    host.memory_left_mib -= task.memory_mib;
    host.gpu_left_milli -= task.gpu_milli();
    ++host.tasks;
    if (task.ask.devices == 0) return;
    std::int32_t missing = task.ask.devices;
    for (std::size_t i = device; missing > 0; ++i) {
      if (!task.ask.fits(host.devices[i])) continue;
      host.devices[i].share_milli -= task.ask.share_milli;
      --missing;
    }
    const std::int32_t kind = kind_of(task.ask);
    if (std::ranges::find(host.kinds, kind) == host.kinds.end()) host.kinds.push_back(kind);
  }

  Strategy strategy_;
  std::optional<placement::Fragmentation> fragmentation_;
  Dice dice_;
  Scale scale_;
  std::vector<Host> hosts_;
};

constexpr std::int32_t kMaxLevels = placement::Fragmentation::kMaxLevels;

}  // namespace

const std::vector<std::string>& policy_names() {
  static const std::vector<std::string> names = {
      "fgd", "bestfit",     "dotprod",        "packing", "clustering",
      "l2",  "binpack_cpu", "binpack_memory", "spread",  "random"};
  return names;
}

Outcome<Policy> parse_policy(const std::string& name) {
  const auto found = std::ranges::find(policy_names(), name);
  if (found == policy_names().end()) return tl::unexpected("strategy '" + name + "' is unknown");
  return static_cast<Policy>(found - policy_names().begin());
}

bool has_levels(Policy policy) {
  return policy == Policy::Fgd || policy == Policy::BestFit || policy == Policy::DotProduct;
}

std::vector<placement::TargetClass> target_classes(const Trace& trace) {
  std::map<DeviceAsk, std::int64_t> counts;
  for (const TraceTask& task : trace.tasks) ++counts[task.ask];
  std::vector<placement::TargetClass> classes;
  for (const auto& [ask, count] : counts) classes.push_back({.ask = ask, .weight = count});
  return placement::most_frequent(std::move(classes));
}

Outcome<std::unique_ptr<Player>> exhaustive_player(const Trace& trace,
                                                   const std::vector<std::uint32_t>& node_order,
                                                   Strategy strategy) {
  if (strategy.levels < 2 || strategy.levels > kMaxLevels) {
    return tl::unexpected("levels must be from 2 to " + std::to_string(kMaxLevels));
  }
  std::optional<placement::Fragmentation> fragmentation;
  if (strategy.policy == Policy::Fgd) {
    auto made = placement::Fragmentation::make(target_classes(trace), strategy.levels);
    if (!made) return tl::unexpected("fgd: " + made.error().message);
    fragmentation = *std::move(made);
  }
  return std::make_unique<ExhaustivePlayer>(trace, node_order, strategy, std::move(fragmentation));
}

}  // namespace berth::replay
