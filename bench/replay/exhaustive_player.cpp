// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "bench/replay/dice.hpp"
#include "bench/replay/hosts.hpp"
#include "bench/replay/player.hpp"

namespace berth::replay {
namespace {

using placement::DeviceChoice;

class ExhaustivePlayer final : public Player {
 public:
  explicit ExhaustivePlayer(Hosts hosts)
      : hosts_(std::move(hosts)), dice_(hosts_.strategy().seed) {}

  std::optional<std::uint32_t> place(const TraceTask& task) override {
    const std::optional<Place> found =
        hosts_.strategy().policy == Policy::Random ? at_random(task) : best(task);
    if (!found) return std::nullopt;
    hosts_.book(found->node, task, found->device);
    return found->node;
  }

 private:
  struct Place {
    std::uint32_t node = 0;
    std::size_t device = 0;  // the first, of tasks with devices
  };

  [[nodiscard]] std::optional<Place> best(const TraceTask& task) const {
    std::optional<Place> best;
    std::int32_t best_score = 0;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
      if (!hosts_[i].fits(task)) continue;
      const DeviceChoice choice = hosts_.choose(i, task);
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

  Hosts hosts_;
  Dice dice_;
};

}  // namespace

Outcome<std::unique_ptr<Player>> exhaustive_player(const Trace& trace,
                                                   const std::vector<std::uint32_t>& node_order,
                                                   Strategy strategy) {
  Outcome<Hosts> hosts = Hosts::make(trace, node_order, strategy);
  if (!hosts) return tl::unexpected(std::move(hosts).error());
  return std::make_unique<ExhaustivePlayer>(*std::move(hosts));
}

}  // namespace berth::replay
