// SPDX-License-Identifier: Apache-2.0
// bench_placement: what one placement decision costs. README.md says how to read it.
//
// Before any is timed, the exact players must give the same answers on small clusters and the
// others must keep their rules; the process ends with 1 if they do not.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/placement/agreement.hpp"
#include "bench/placement/arguments.hpp"
#include "bench/placement/engine_player.hpp"
#include "bench/placement/game.hpp"
#include "bench/placement/kube_player.hpp"
#include "bench/placement/load.hpp"
#include "bench/placement/nomad_player.hpp"
#include "bench/placement/scan_player.hpp"
#include "bench/placement/simd_player.hpp"
#include "bench/placement/swarm_player.hpp"

namespace berth::bench {
namespace {

constexpr const char* kHelp =
    R"(bench_placement: what one placement decision costs (bench/README.md)

usage: bench_placement [--nodes=N,N,...] [any argument of Google Benchmark]

  --nodes=N,N,...   cluster sizes; 1000,10000,100000,1000000 where it is left out
  --check           only the checks that go before any timing: exact players agree, others keep their rules
  --help            this, and Google Benchmark's

Names: <who><fill>/<strategy>/<nodes>
  who       Place (the engine), ScanSimd, Scan, Swarm, Nomad, Kube
  fill      of the cluster's cpu: nothing for 80 %, 95, 99; Opposed: nodes with much cpu left and no memory,
            and the reverse, 99 % of what they have less of (Place, ScanSimd and Scan only)
  strategy  binpack_cpu binpack_memory spread_zone spread_instance random chain

)";

// Whatever is timed next; built once, since Google Benchmark calls a function several times to find
// its pace.
class Stage {
 public:
  template <typename Player>
  Game<Player>& of(const std::string& name, const LoadSize& size, Plan plan) {
    if (name_ != name) {
      name_ = name;
      game_.reset();
      if (!load_ || size_ != size) {
        load_.reset();
        load_ = std::make_unique<Load>(make_load(size));
      }
      size_ = size;
      game_ = std::make_shared<Game<Player>>(*load_, Player(*load_, plan));
    }
    return *static_cast<Game<Player>*>(game_.get());
  }

 private:
  std::string name_;
  LoadSize size_;
  std::unique_ptr<Load> load_;
  std::shared_ptr<void> game_;
};

Stage& stage() {
  static Stage the_stage;
  return the_stage;
}

template <typename Player>
void add(const std::string& prefix, const LoadSize& size, Plan plan) {
  const std::string name = prefix + "/" + name_of(plan) + "/" + std::to_string(size.nodes);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Game<Player>& game = stage().of<Player>(name, size, plan);
    std::int64_t unplaced = 0;
    for (auto _ : state) unplaced += game.step() < 0 ? 1 : 0;
    state.SetItemsProcessed(state.iterations());
    using benchmark::Counter;
    state.counters["unplaced"] = Counter(static_cast<double>(unplaced), Counter::kAvgIterations);
    state.counters["fill"] = game.cpu_fill_percent();
    state.counters["memory_fill"] = game.memory_fill_percent();
  });
}

void add_exact(const std::string& suffix, const LoadSize& size) {
  for (const Plan plan : kPlans) {
    add<EnginePlayer>("Place" + suffix, size, plan);
    add<SimdPlayer>("ScanSimd" + suffix, size, plan);
    add<ScanPlayer>("Scan" + suffix, size, plan);
  }
}

void add_all(const std::vector<std::size_t>& sizes) {
  for (const std::size_t nodes : sizes) {
    for (const int fill : {80, 95, 99}) {
      const LoadSize size{.nodes = nodes, .fill_percent = fill};
      const std::string suffix = fill == 80 ? "" : std::to_string(fill);
      add_exact(suffix, size);
      for (const Plan plan : kPlans) {
        add<SwarmPlayer>("Swarm" + suffix, size, plan);
        add<NomadPlayer>("Nomad" + suffix, size, plan);
        add<KubePlayer>("Kube" + suffix, size, plan);
      }
    }
    add_exact("Opposed", {.nodes = nodes, .fill_percent = 99, .mix = Mix::Opposed});
  }
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) {
  using namespace berth::bench;
  std::vector<std::size_t> sizes = {1'000, 10'000, 100'000, 1'000'000};
  bool only_check = false;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (const auto nodes = value_of(argument, "nodes")) {
      sizes = numbers_or_exit("nodes", *nodes, 10);
      continue;
    }
    if (argument == "--check") {
      only_check = true;
      continue;
    }
    if (argument == "--help") std::fputs(kHelp, stdout);
    argv[kept++] = argv[i];
  }
  argc = kept;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!exact_players_agree() || !peers_keep_their_rules()) return 1;
  if (only_check) return 0;
  benchmark::AddCustomContext("simd", SimdPlayer::instructions());
  add_all(sizes);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
