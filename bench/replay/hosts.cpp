// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/hosts.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace berth::replay {
namespace {

using placement::DeviceAsk;
using placement::DeviceChoice;
using placement::DeviceFree;
using placement::Dimension;

constexpr std::int32_t kMaxLevels = placement::Fragmentation::kMaxLevels;

std::int32_t kind_of(const DeviceAsk& ask) {
  return ask.whole() ? ask.devices : 0;
}

// By what the node has; a resource that it lacks does not count.
std::int32_t l2(const Host& host, const TraceTask& task) {
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

}  // namespace

bool Host::fits(const TraceTask& task) const {
  if (cpu_left < task.ask.cpu || memory_left_mib < task.memory_mib) return false;
  if (task.ask.devices == 0) return true;
  const auto fitting = std::ranges::count_if(
      devices, [&task](const DeviceFree& device) { return task.ask.fits(device); });
  return fitting >= task.ask.devices;
}

Outcome<Hosts> Hosts::make(const Trace& trace, const std::vector<std::uint32_t>& node_order,
                           Strategy strategy) {
  if (strategy.levels < 2 || strategy.levels > kMaxLevels) {
    return tl::unexpected("levels must be from 2 to " + std::to_string(kMaxLevels));
  }
  Hosts out;
  out.strategy_ = strategy;
  if (strategy.policy == Policy::Fgd) {
    auto made = placement::Fragmentation::make(target_classes(trace), strategy.levels);
    if (!made) return tl::unexpected("fgd: " + made.error().message);
    out.fragmentation_ = *std::move(made);
  }
  for (const std::uint32_t row : node_order) {
    const TraceNode& node = trace.nodes[row];
    const std::int64_t gpu_milli = std::int64_t{node.devices} * 1000;
    out.hosts_.push_back({.cpu = node.cpu_milli,
                          .memory_mib = node.memory_mib,
                          .cpu_left = node.cpu_milli,
                          .memory_left_mib = node.memory_mib,
                          .gpu_left_milli = gpu_milli});
    out.hosts_.back().devices.assign(static_cast<std::size_t>(node.devices),
                                     {.share_milli = 1000, .model = node.model});
    out.scale_.cpu = std::max(out.scale_.cpu, node.cpu_milli);
    out.scale_.gpu_milli = std::max(out.scale_.gpu_milli, gpu_milli);
  }
  return out;
}

DeviceChoice Hosts::choose(std::uint32_t node, const TraceTask& task) const {
  const Host& host = hosts_[node];
  if (strategy_.policy == Policy::Fgd) {
    return fragmentation_->choose({.cpu = host.cpu_left, .devices = host.devices}, task.ask)
        .value();
  }
  return {.score = score(host, task),
          .device = placement::tightest_device(host.devices, task.ask).value_or(0)};
}

std::int32_t Hosts::score(const Host& host, const TraceTask& task) const {
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

std::int32_t Hosts::clustering(const Host& host, const DeviceAsk& ask) const {
  const std::int32_t kind = kind_of(ask);
  const bool same = std::ranges::find(host.kinds, kind) != host.kinds.end();
  return placement::gpu_clustering(
      {.left_milli = host.gpu_left_milli,
       .scale_milli = scale_.gpu_milli,
       .hosted = {.same = same, .others = host.kinds.size() > (same ? 1U : 0U)}},
      ask);
}

void Hosts::book(std::uint32_t node, const TraceTask& task, std::size_t device) {
  Host& host = hosts_[node];
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

}  // namespace berth::replay
