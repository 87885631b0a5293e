// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fragmentation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

namespace berth::placement {
namespace {

// What of a node a class of tasks can use.
struct Use {
  std::int32_t serving = 0;    // devices that have its share left
  std::int64_t left = 0;       // of all devices
  std::int64_t fragments = 0;  // of those that do not serve

  void add(const DeviceAsk& ask, const DeviceFree& device) {
    const bool serves = ask.fits(device);
    serving += serves ? 1 : 0;
    left += device.share_milli;
    fragments += serves ? 0 : device.share_milli;
  }
  void remove(const DeviceAsk& ask, const DeviceFree& device) {
    const bool serves = ask.fits(device);
    serving -= serves ? 1 : 0;
    left -= device.share_milli;
    fragments -= serves ? 0 : device.share_milli;
  }
  [[nodiscard]] std::int64_t wasted(const DeviceAsk& ask, std::int64_t cpu) const {
    return cpu < ask.cpu || serving < ask.devices ? left : fragments;
  }
};

Use use_of(const DeviceAsk& ask, std::span<const DeviceFree> devices) {
  Use use;
  for (const DeviceFree& device : devices) use.add(ask, device);
  return use;
}

std::int64_t left_of(std::span<const DeviceFree> devices) {
  std::int64_t left = 0;
  for (const DeviceFree& device : devices) left += device.share_milli;
  return left;
}

DeviceFree less(DeviceFree device, std::int32_t share_milli) {
  device.share_milli -= share_milli;
  return device;
}

Error invalid(std::string what, const std::string& message) {
  return {.code = Error::Code::Invalid, .message = what + " " + message, .what = std::move(what)};
}

std::optional<Error> fault_of(const TargetClass& one, std::size_t index) {
  const std::string name = "classes[" + std::to_string(index) + "].";
  const DeviceAsk& ask = one.ask;
  if (one.weight <= 0 || one.weight > Fragmentation::kMaxWeight) {
    return invalid(name + "weight", "must be at least 1 and at most 2^32");
  }
  if (ask.cpu < 0) return invalid(name + "cpu", "must not be negative");
  if (ask.devices < 0) return invalid(name + "devices", "must not be negative");
  if (ask.devices == 0) return std::nullopt;
  if (ask.share_milli < 1 || ask.share_milli > 1000) {
    return invalid(name + "share_milli", "must be from 1 to 1000");
  }
  if (ask.devices > 1 && !ask.whole()) {
    return invalid(name + "share_milli", "must be 1000 where a task takes several devices");
  }
  return std::nullopt;
}

}  // namespace

std::vector<TargetClass> most_frequent(std::vector<TargetClass> classes, int cover_percent) {
  std::int64_t total = 0;
  for (const TargetClass& one : classes) total += one.weight;
  std::ranges::sort(classes, [](const TargetClass& a, const TargetClass& b) {
    return std::pair(a.weight, a.ask) > std::pair(b.weight, b.ask);
  });
  std::int64_t covered = 0;
  std::size_t taken = 0;
  while (taken < classes.size() && covered * 100 < total * cover_percent) {
    covered += classes[taken++].weight;
  }
  classes.resize(taken);
  return classes;
}

Result<Fragmentation> Fragmentation::make(std::vector<TargetClass> classes, std::int32_t levels) {
  if (levels < 2 || levels > kMaxLevels) return invalid("levels", "must be from 2 to 100000");
  if (classes.empty()) return invalid("classes", "must not be empty");
  if (classes.size() > kMaxClasses) return invalid("classes", "must be at most 4096");
  Fragmentation out;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (auto fault = fault_of(classes[i], i)) return *std::move(fault);
    out.total_weight_ += classes[i].weight;
    if (out.total_weight_ > kMaxWeight) return invalid("classes", "must weigh at most 2^32 in all");
    if (classes[i].ask.devices == 0) {
      out.without_devices_ += classes[i].weight;
    } else {
      out.with_devices_.push_back(classes[i]);
    }
  }
  // Q / (1 + exp(d)) >= j holds exactly where d <= ln((Q - j) / j).
  for (std::int32_t level = 1; level < levels; ++level) {
    const double bound = std::log(static_cast<double>(levels - level) / level);
    out.thresholds_.push_back(
        static_cast<std::int64_t>(std::floor(bound * static_cast<double>(out.unit()))));
  }
  out.classes_ = std::move(classes);
  return out;
}

std::int64_t Fragmentation::of(const NodeFree& node) const {
  std::int64_t sum = without_devices_ * left_of(node.devices);
  for (const TargetClass& one : with_devices_) {
    sum += one.weight * use_of(one.ask, node.devices).wasted(one.ask, node.cpu);
  }
  return sum;
}

std::int32_t Fragmentation::level(std::int64_t delta) const {
  const auto below = std::ranges::partition_point(
      thresholds_, [delta](std::int64_t threshold) { return delta <= threshold; });
  return static_cast<std::int32_t>(below - thresholds_.begin());
}

std::int64_t Fragmentation::delta_of_cpu(const NodeFree& node, std::int64_t cpu) const {
  std::int64_t delta = 0;
  for (const TargetClass& one : with_devices_) {
    if (node.cpu < one.ask.cpu || node.cpu - cpu >= one.ask.cpu) continue;
    const Use use = use_of(one.ask, node.devices);
    delta += one.weight * (use.left - use.wasted(one.ask, node.cpu));
  }
  return delta;
}

std::int64_t Fragmentation::delta_of_whole(const NodeFree& node, const DeviceAsk& ask) const {
  const std::int64_t taken = std::int64_t{ask.devices} * ask.share_milli;
  std::int64_t delta = -without_devices_ * taken;
  for (const TargetClass& one : with_devices_) {
    Use before;
    Use after;
    std::int32_t missing = ask.devices;
    for (const DeviceFree& device : node.devices) {
      before.add(one.ask, device);
      const bool take = missing > 0 && ask.fits(device);
      missing -= take ? 1 : 0;
      after.add(one.ask, take ? less(device, ask.share_milli) : device);
    }
    delta +=
        one.weight * (after.wasted(one.ask, node.cpu - ask.cpu) - before.wasted(one.ask, node.cpu));
  }
  return delta;
}

DeviceChoice Fragmentation::choose_part(const NodeFree& node, const DeviceAsk& ask) const {
  // Devices with as much left and of one model score alike: only the first is looked at. They are
  // taken in batches, so that neither the number of devices is limited nor memory is asked for.
  constexpr std::size_t kBatch = 16;
  std::array<std::size_t, kBatch> devices;
  std::array<std::int64_t, kBatch> deltas;
  const auto seen_before = [&node](std::size_t device) {
    const DeviceFree& one = node.devices[device];
    return std::ranges::any_of(node.devices.first(device), [&one](const DeviceFree& other) {
      return other.share_milli == one.share_milli && other.model == one.model;
    });
  };
  DeviceChoice best{.score = -1};
  for (std::size_t next = 0; next < node.devices.size();) {
    std::size_t count = 0;
    for (; next < node.devices.size() && count < kBatch; ++next) {
      if (ask.fits(node.devices[next]) && !seen_before(next)) devices[count++] = next;
    }
    std::fill_n(deltas.begin(), count, -without_devices_ * ask.share_milli);
    for (const TargetClass& one : with_devices_) {
      const Use before = use_of(one.ask, node.devices);
      const std::int64_t wasted = before.wasted(one.ask, node.cpu);
      for (std::size_t i = 0; i < count; ++i) {
        const DeviceFree& device = node.devices[devices[i]];
        Use after = before;
        after.remove(one.ask, device);
        after.add(one.ask, less(device, ask.share_milli));
        deltas[i] += one.weight * (after.wasted(one.ask, node.cpu - ask.cpu) - wasted);
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t score = level(deltas[i]);
      if (score > best.score) best = {.score = score, .device = devices[i]};
    }
  }
  return best;
}

std::optional<DeviceChoice> Fragmentation::choose(const NodeFree& node,
                                                  const DeviceAsk& ask) const {
  if (node.cpu < ask.cpu) return std::nullopt;
  if (ask.devices == 0) return DeviceChoice{.score = level(delta_of_cpu(node, ask.cpu))};
  const auto fits = [&ask](const DeviceFree& device) { return ask.fits(device); };
  if (std::ranges::count_if(node.devices, fits) < ask.devices) return std::nullopt;
  if (!ask.whole()) return choose_part(node, ask);
  const auto first = std::ranges::find_if(node.devices, fits);
  return DeviceChoice{.score = level(delta_of_whole(node, ask)),
                      .device = static_cast<std::size_t>(first - node.devices.begin())};
}

}  // namespace berth::placement
