// SPDX-License-Identifier: Apache-2.0
#include "core/placement/scores.hpp"

#include <algorithm>

namespace berth::placement {
namespace {

std::int32_t leveled(double mean, std::int32_t levels) {
  return static_cast<std::int32_t>(levels * (1 - mean));
}

double share(std::int64_t amount, std::int64_t scale) {
  return static_cast<double>(amount) / static_cast<double>(scale);
}

}  // namespace

std::int32_t best_fit(std::span<const Dimension> dimensions, std::int32_t levels) {
  if (dimensions.empty()) return 0;
  const double weight = 1.0 / static_cast<double>(dimensions.size());
  double sum = 0;
  for (const Dimension& one : dimensions) {
    sum += weight * share(one.free - one.request, one.scale);
  }
  return leveled(sum, levels);
}

std::int32_t dot_product(std::span<const Dimension> dimensions, std::int32_t levels) {
  if (dimensions.empty()) return 0;
  double sum = 0;
  for (const Dimension& one : dimensions) {
    sum += share(one.free, one.scale) * share(one.request, one.scale);
  }
  return leveled(sum / static_cast<double>(dimensions.size()), levels);
}

std::int32_t l2_fit(std::span<const Dimension> dimensions) {
  if (dimensions.empty()) return 0;
  std::int64_t sum = 0;
  for (const Dimension& one : dimensions) {
    const std::int64_t left = ((one.free - one.request) << 15) / one.scale;
    sum += left * left;
  }
  return kL2Whole - static_cast<std::int32_t>(sum / static_cast<std::int64_t>(dimensions.size()));
}

std::optional<std::size_t> tightest_device(std::span<const DeviceFree> devices,
                                           const DeviceAsk& ask) {
  if (ask.devices == 0) return std::nullopt;
  std::int32_t fitting = 0;
  std::size_t best = devices.size();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (!ask.fits(devices[i])) continue;
    ++fitting;
    if (best == devices.size() || devices[i].share_milli < devices[best].share_milli) best = i;
  }
  if (fitting < ask.devices) return std::nullopt;
  return best;
}

std::int32_t gpu_packing(std::span<const DeviceFree> devices, const DeviceAsk& ask) {
  const std::optional<std::size_t> tightest = tightest_device(devices, ask);
  if (!tightest) return 0;
  const auto is_free = [](const DeviceFree& device) { return device.share_milli == 1000; };
  if (std::ranges::all_of(devices, is_free))
    return std::max(33 - static_cast<std::int32_t>(devices.size()), 0);
  // Whole devices come from wholly free ones, each of them.
  if (is_free(devices[*tightest])) return std::max(50 - ask.devices, 33);
  return std::max(100 - devices[*tightest].share_milli / 100, 50);
}

std::int32_t gpu_clustering(const ClusteringInput& node, const DeviceAsk& ask) {
  if (ask.devices == 0) return 0;
  const auto used =
      static_cast<std::int32_t>(25 * (node.scale_milli - node.left_milli) / node.scale_milli);
  if (node.hosted.same) return used + (node.hosted.others ? 50 : 75);
  return used + (node.hosted.others ? 0 : 25);
}

}  // namespace berth::placement
