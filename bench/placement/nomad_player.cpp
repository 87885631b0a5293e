// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/nomad_player.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace berth::bench {
namespace {

double ten_to_the(double x) {
  return std::exp2(x * 3.321928094887362);
}

}  // namespace

NomadPlayer::NomadPlayer(const Load& load, Plan plan)
    : ClusterPlayer(load, Counting::ByGroup),
      worst_fit_(plan == Plan::SpreadInstance),
      by_zone_(plan == Plan::SpreadZone || plan == Plan::Chain),
      constrained_(plan == Plan::Chain),
      // bit_width(n - 1) is the logarithm of n, rounded up.
      limit_(by_zone_
                 ? 100u
                 : std::max(2u, static_cast<std::uint32_t>(std::bit_width(load.hosts.size() - 1)))),
      order_(load.hosts.size()) {
  std::iota(order_.begin(), order_.end(), 0);
}

bool NomadPlayer::passes(std::uint32_t node, std::uint32_t group) const {
  return cluster_.is_open(node) && cluster_.fits(node, cluster_.load().shape_of(group)) &&
         (!constrained_ || cluster_.hosts()[node].color == Load::color_of(group));
}

double NomadPlayer::fitness(std::uint32_t node, const Shape& shape) const {
  const Host& host = cluster_.hosts()[node];
  const double cpu = static_cast<double>(cluster_.cpu()[node] - shape.cpu) / host.cpu;
  const double memory =
      static_cast<double>(cluster_.memory()[node] - shape.memory_mib) / host.memory_mib;
  const double sum = ten_to_the(cpu) + ten_to_the(memory);
  return std::clamp(worst_fit_ ? sum - 2 : 20 - sum, 0.0, 18.0) / 18;
}

// The value with the fewest tasks is boosted by its distance to the one with the most, the others
// are lowered by theirs to the one with the fewest.
double NomadPlayer::spread_boost(std::uint32_t node, std::uint32_t group) const {
  const auto& tasks = cluster_.tally().by_zone(group);
  const auto [fewest, most] = std::minmax_element(tasks.begin(), tasks.end());
  const std::int32_t here = tasks[static_cast<std::size_t>(cluster_.zone()[node])];
  if (*most == 0) return 0;  // no task of the job yet
  if (here != *fewest) return *fewest == 0 ? -1 : static_cast<double>(*fewest - here) / *fewest;
  if (*fewest == *most) return -1;
  return *fewest == 0 ? 1 : static_cast<double>(*most - *fewest) / *fewest;
}

double NomadPlayer::score(std::uint32_t node, std::uint32_t group) const {
  double sum = fitness(node, cluster_.load().shape_of(group));
  int terms = 1;
  if (const std::int32_t same = cluster_.tally().tasks(node, group); same > 0) {
    const auto& by_zone = cluster_.tally().by_zone(group);
    const std::int32_t wanted = std::accumulate(by_zone.begin(), by_zone.end(), 1);
    sum -= static_cast<double>(same + 1) / wanted;
    ++terms;
  }
  if (by_zone_) {
    sum += spread_boost(node, group);
    ++terms;
  }
  return sum / terms;
}

std::optional<std::uint32_t> NomadPlayer::decide(const Step& step) {
  Dice dice(step.dice);
  const std::uint32_t end = cluster_.end();
  std::array<std::pair<double, std::uint32_t>, kMaxSkipped> skipped;
  std::uint32_t skips = 0;
  std::uint32_t scored = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  std::optional<std::uint32_t> best;
  const auto offer = [&](double score, std::uint32_t node) {
    ++scored;
    if (score <= best_score) return;
    best_score = score;
    best = node;
  };
  std::uint32_t visited = 0;
  while (visited < end && scored < limit_) {
    std::swap(order_[visited], order_[visited + dice.below(end - visited)]);
    const std::uint32_t node = order_[visited++];
    if (!passes(node, step.group)) continue;
    const double value = score(node, step.group);
    if (value <= 0 && skips < kMaxSkipped) {
      skipped[skips++] = {value, node};
    } else {
      offer(value, node);
    }
  }
  look_ = {visited, scored + skips};
  for (std::uint32_t i = 0; i < skips && scored < limit_; ++i)
    offer(skipped[i].first, skipped[i].second);
  return best;
}

}  // namespace berth::bench
