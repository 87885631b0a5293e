// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <utility>

#include "bench/replay/hosts.hpp"
#include "bench/replay/player.hpp"
#include "core/placement/score_table.hpp"

namespace berth::replay {
namespace {

using placement::ScoreTable;

class TablePlayer final : public Player {
 public:
  explicit TablePlayer(Hosts hosts) : hosts_(std::move(hosts)), table_(hosts_.size()) {}

  std::optional<std::uint32_t> place(const TraceTask& task) override {
    // Tasks that ask for the same are of one kind.
    const auto next = static_cast<std::uint32_t>(kinds_.size());
    const std::uint32_t kind = kinds_.try_emplace({task.ask, task.memory_mib}, next).first->second;
    const auto best = table_.best(kind, [&](std::uint32_t node) {
      return hosts_[node].fits(task) ? hosts_.choose(node, task).score : ScoreTable::kNever;
    });
    if (!best) return std::nullopt;
    hosts_.book(best->node, task, hosts_.choose(best->node, task).device);
    table_.changed(best->node);
    return best->node;
  }

 private:
  Hosts hosts_;
  ScoreTable table_;
  std::map<std::pair<placement::DeviceAsk, std::int64_t>, std::uint32_t> kinds_;
};

}  // namespace

Outcome<std::unique_ptr<Player>> table_player(const Trace& trace,
                                              const std::vector<std::uint32_t>& node_order,
                                              Strategy strategy) {
  if (strategy.policy == Policy::Random) {
    return tl::unexpected(std::string("random has no scores: it asks every node"));
  }
  Outcome<Hosts> hosts = Hosts::make(trace, node_order, strategy);
  if (!hosts) return tl::unexpected(std::move(hosts).error());
  return std::make_unique<TablePlayer>(*std::move(hosts));
}

}  // namespace berth::replay
