// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/kube_player.hpp"

#include <algorithm>
#include <cmath>

namespace berth::bench {
namespace {

constexpr std::int32_t kTopologyWeight = 2;

}  // namespace

KubePlayer::KubePlayer(const Load& load, Plan plan)
    : ClusterPlayer(load, Counting::ByGroup), plan_(plan) {
  fits_.reserve(load.hosts.size());
}

std::uint32_t KubePlayer::enough(std::uint32_t nodes) {
  if (nodes < 100) return nodes;
  const std::uint32_t percent = nodes / 125 < 45 ? 50 - nodes / 125 : 5;
  return std::max(100u, static_cast<std::uint32_t>(std::uint64_t{nodes} * percent / 100));
}

bool KubePlayer::passes(std::uint32_t node, std::uint32_t group) const {
  return cluster_.is_open(node) &&
         (plan_ != Plan::Chain || cluster_.hosts()[node].color == Load::color_of(group)) &&
         cluster_.fits(node, cluster_.load().shape_of(group));
}

std::int32_t KubePlayer::resource_score(std::uint32_t node, const Shape& shape) const {
  const Host& host = cluster_.hosts()[node];
  const double cpu = 1 - static_cast<double>(cluster_.cpu()[node] - shape.cpu) / host.cpu;
  const double memory =
      1 - static_cast<double>(cluster_.memory()[node] - shape.memory_mib) / host.memory_mib;
  // Of two shares the standard deviation is half their distance.
  const auto balance = static_cast<std::int32_t>(100 * (1 - std::abs(cpu - memory) / 2));
  switch (plan_) {
    case Plan::BinpackCpu:
      return balance + static_cast<std::int32_t>(100 * cpu);
    case Plan::BinpackMemory:
    case Plan::Chain:
      return balance + static_cast<std::int32_t>(100 * memory);
    case Plan::SpreadZone:
    case Plan::SpreadInstance:
      return balance + static_cast<std::int32_t>(100 * (2 - cpu - memory) / 2);
    case Plan::Random:
      return 0;
  }
  return 0;
}

std::int32_t KubePlayer::pods_near(std::uint32_t node, std::uint32_t group) const {
  if (plan_ == Plan::SpreadInstance) return cluster_.tally().tasks(node, group);
  if (plan_ != Plan::SpreadZone && plan_ != Plan::Chain) return 0;
  return cluster_.tally().by_zone(group)[static_cast<std::size_t>(cluster_.zone()[node])];
}

void KubePlayer::find_fits(const Step& step) {
  const std::uint32_t end = cluster_.end();
  const std::uint32_t wanted = enough(end);
  fits_.clear();
  look_ = {next_, 0, 0};
  while (look_.visited < end && fits_.size() < wanted) {
    const std::uint32_t node = next_;
    next_ = next_ + 1 == end ? 0 : next_ + 1;
    ++look_.visited;
    if (passes(node, step.group)) fits_.push_back({node, 0, 0});
  }
  look_.scored = static_cast<std::uint32_t>(fits_.size());
}

std::optional<std::uint32_t> KubePlayer::decide(const Step& step) {
  find_fits(step);
  const Shape& shape = cluster_.load().shape_of(step.group);
  std::int32_t fewest = INT32_MAX;
  std::int32_t most = 0;
  for (Fit& fit : fits_) {
    fit.score = plan_ == Plan::Random ? 0 : resource_score(fit.node, shape);
    fit.pods = pods_near(fit.node, step.group);
    fewest = std::min(fewest, fit.pods);
    most = std::max(most, fit.pods);
  }
  Dice dice(step.dice);
  std::optional<std::uint32_t> best;
  std::int32_t best_score = -1;
  std::uint32_t equals = 0;
  for (const Fit& fit : fits_) {
    const std::int32_t topology = most == 0 ? 100 : 100 * (most + fewest - fit.pods) / most;
    const std::int32_t score = fit.score + kTopologyWeight * topology;
    if (score < best_score) continue;
    equals = score > best_score ? 1 : equals + 1;
    best_score = score;
    if (equals == 1 || dice.below(equals) == 0) best = fit.node;
  }
  return best;
}

}  // namespace berth::bench
