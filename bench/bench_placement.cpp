// SPDX-License-Identifier: Apache-2.0
// bench_placement: what one placement decision costs. README.md says how to read it.
//
//   bench_placement [--nodes=N,N,...] [any argument of Google Benchmark]
// Names: Place/<strategy>/<nodes> at 80 % fill, Place95/, Place99/; Scan/ and ScanSimd/ are the
// yardsticks. Before any is timed, all players must give the same answers on a small cluster; the
// process ends with 1 if they do not.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/placement_load.hpp"
#include "bench/placement_players.hpp"

namespace berth::bench {
namespace {

// A player with its queue of tasks; each step places one and ends the oldest.
template <typename Player>
class Game {
 public:
  Game(const Load& load, Player player)
      : player_(std::move(player)), nodes_(static_cast<std::uint32_t>(load.hosts.size())) {
    for (const auto& ticket : player_.running()) queue_.push_back(ticket);
  }

  // The node that was chosen, or -1.
  std::int64_t step() {
    const Step step{dice_.below(kGroups), dice_.roll()};
    const auto placed = player_.place(step);
    if (placed) queue_.push_back(*placed);
    if (!queue_.empty()) {
      player_.release(queue_.front());
      queue_.pop_front();
    }
    if (++steps_ % 100 == 0) churn();
    return placed ? static_cast<std::int64_t>(placed->node) : -1;
  }

 private:
  // One node at a time drains, and comes back when the next one goes.
  void churn() {
    if (draining_) player_.set_draining(*draining_, false);
    draining_ = dice_.below(nodes_);
    player_.set_draining(*draining_, true);
  }

  Player player_;
  std::uint32_t nodes_;
  std::deque<typename Player::Ticket> queue_;
  Dice dice_{7};
  std::uint64_t steps_ = 0;
  std::optional<std::uint32_t> draining_;
};

template <typename Player>
Game(const Load&, Player) -> Game<Player>;

// Whatever is timed next; built once, since Google Benchmark calls a function several times to find
// its pace.
class Stage {
 public:
  template <typename Player>
  Game<Player>& of(const std::string& name, std::size_t nodes, int fill, Plan plan) {
    if (name_ != name) {
      name_ = name;
      game_.reset();
      if (nodes_ != nodes || fill_ != fill) load_ = std::make_unique<Load>(make_load(nodes, fill));
      nodes_ = nodes;
      fill_ = fill;
      game_ = std::make_shared<Game<Player>>(*load_, Player(*load_, plan));
    }
    return *static_cast<Game<Player>*>(game_.get());
  }

 private:
  std::string name_;
  std::size_t nodes_ = 0;
  int fill_ = 0;
  std::unique_ptr<Load> load_;
  std::shared_ptr<void> game_;
};

Stage& stage() {
  static Stage the_stage;
  return the_stage;
}

template <typename Player>
void add(const std::string& prefix, int fill, Plan plan, std::size_t nodes) {
  const std::string name = prefix + "/" + name_of(plan) + "/" + std::to_string(nodes);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Game<Player>& game = stage().of<Player>(name, nodes, fill, plan);
    std::int64_t unplaced = 0;
    for (auto _ : state) unplaced += game.step() < 0 ? 1 : 0;
    state.SetItemsProcessed(state.iterations());
    state.counters["unplaced"] =
        benchmark::Counter(static_cast<double>(unplaced), benchmark::Counter::kAvgIterations);
  });
}

// All players, step by step, on clusters that fill up: where one differs the figures would mean
// nothing.
bool answers_agree() {
  for (const Plan plan : kPlans) {
    for (const int fill : {80, 99}) {
      const Load load = make_load(150, fill);
      Game engine(load, EnginePlayer(load, plan));
      Game plain(load, EnginePlayer(load, plan, {.simd = placement::EngineOptions::Simd::Scalar}));
      Game scan(load, ScanPlayer(load, plan));
      Game simd(load, SimdPlayer(load, plan));
      for (int step = 0; step < 500; ++step) {
        const std::int64_t node = engine.step();
        // The scans draw otherwise, so their random choices differ, but not whether there is one.
        const auto same = [&](std::int64_t other) {
          return plan == Plan::Random ? true : node == other;
        };
        const std::int64_t answers[] = {plain.step(), scan.step(), simd.step()};
        if (node == answers[0] && same(answers[1]) && same(answers[2])) continue;
        std::fprintf(stderr,
                     "%s at %d %%, step %d: engine %ld, without SIMD %ld, Scan %ld, ScanSimd %ld\n",
                     name_of(plan).c_str(), fill, step, node, answers[0], answers[1], answers[2]);
        return false;
      }
    }
  }
  return true;
}

std::vector<std::size_t> parse_nodes(std::string_view list) {
  std::vector<std::size_t> out{0};
  for (const char c : list) {
    if (c == ',') {
      out.push_back(0);
    } else if (c >= '0' && c <= '9') {
      out.back() = out.back() * 10 + static_cast<std::size_t>(c - '0');
    }
  }
  std::erase(out, std::size_t{0});
  return out;
}

void add_all(const std::vector<std::size_t>& sizes) {
  for (const std::size_t nodes : sizes) {
    for (const Plan plan : kPlans) {
      add<EnginePlayer>("Place", 80, plan, nodes);
      add<SimdPlayer>("ScanSimd", 80, plan, nodes);
      add<ScanPlayer>("Scan", 80, plan, nodes);
    }
    for (const Plan plan : kPlans) add<EnginePlayer>("Place95", 95, plan, nodes);
    for (const Plan plan : kPlans) add<EnginePlayer>("Place99", 99, plan, nodes);
  }
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) {
  constexpr std::string_view kNodes = "--nodes=";
  std::vector<std::size_t> sizes = {1'000, 10'000, 100'000};
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(kNodes)) {
      sizes = berth::bench::parse_nodes(argument.substr(kNodes.size()));
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (!berth::bench::answers_agree()) return 1;
  berth::bench::add_all(sizes);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
