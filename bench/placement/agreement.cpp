// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/agreement.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "bench/placement/cluster.hpp"
#include "bench/placement/engine_player.hpp"
#include "bench/placement/game.hpp"
#include "bench/placement/kube_player.hpp"
#include "bench/placement/nomad_player.hpp"
#include "bench/placement/scan_player.hpp"
#include "bench/placement/simd_player.hpp"
#include "bench/placement/swarm_player.hpp"

namespace berth::bench {
namespace {

constexpr std::size_t kNodes = 150;
constexpr int kSteps = 2000;
constexpr LoadSize kLoads[] = {{.nodes = kNodes, .fill_percent = 80},
                               {.nodes = kNodes, .fill_percent = 99},
                               {.nodes = kNodes, .fill_percent = 99, .mix = Mix::Opposed}};
// More nodes than the engine scans, and than the first level of its indexes covers.
constexpr int kLargeSteps = 200;
constexpr LoadSize kLargeLoads[] = {{.nodes = 4500, .fill_percent = 80},
                                    {.nodes = 4500, .fill_percent = 99, .mix = Mix::Opposed}};

// A player with books of its own beside it, that hold each decision against the load's filters.
template <typename Player>
class Watched {
 public:
  struct Ticket {
    typename Player::Ticket own;
    BookedTicket watched;
    std::uint32_t node;
    std::uint32_t group;
  };

  Watched(const Load& load, Plan plan)
      : player_(load, plan), books_(load, Counting::None), plan_(plan) {}

  std::optional<Ticket> place(const Step& step) {
    const auto placed = player_.place(step);
    if (!placed) {
      for (std::uint32_t node = 0; node < books_.end(); ++node) {
        if (passes(node, step.group))
          fault_ = "refuses, but node " + std::to_string(node) + " fits";
      }
      return std::nullopt;
    }
    if (!passes(placed->node, step.group))
      fault_ = "chose node " + std::to_string(placed->node) + ", which does not fit";
    return Ticket{*placed, books_.book(placed->node, step.group), placed->node, step.group};
  }
  bool release(const Ticket& ticket) {
    const bool lived = player_.release(ticket.own);
    if (books_.release(ticket.watched) != lived) fault_ = "lost a task, or kept one that was lost";
    return lived;
  }
  void set_draining(std::uint32_t node, bool draining) {
    player_.set_draining(node, draining);
    books_.set_draining(node, draining);
  }
  Shape remove_node(std::uint32_t node) {
    const Shape held = player_.remove_node(node);
    const Shape wanted = books_.remove_node(node);
    if (held.cpu != wanted.cpu || held.memory_mib != wanted.memory_mib)
      fault_ = "held something else than its tasks on node " + std::to_string(node);
    return held;
  }
  void add_node(std::uint32_t node, const Host& host) {
    player_.add_node(node, host);
    books_.add_node(node, host);
  }
  std::vector<Ticket> take_running() {
    const auto own = player_.take_running();
    const auto watched = books_.take_running();
    std::vector<Ticket> out;
    for (std::size_t i = 0; i < own.size(); ++i)
      out.push_back({own[i], watched[i], watched[i].node, watched[i].group});
    return out;
  }

  [[nodiscard]] const Player& player() const { return player_; }
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  [[nodiscard]] bool passes(std::uint32_t node, std::uint32_t group) const {
    return books_.fits(node, books_.load().shape_of(group)) &&
           (plan_ != Plan::Chain || books_.hosts()[node].color == Load::color_of(group));
  }

  Player player_;
  Cluster<std::int64_t> books_;
  Plan plan_;
  std::string fault_;
};

bool complain(const char* who, Plan plan, const LoadSize& load, int step, const std::string& what) {
  std::fprintf(stderr, "%s/%s at %d %%%s, step %d: %s\n", who, name_of(plan).c_str(),
               load.fill_percent, load.mix == Mix::Opposed ? ", opposed" : "", step, what.c_str());
  return false;
}

// `rule` says what is wrong with the last decision, or nothing.
template <typename Player, typename Rule>
bool plays_by(const char* who, Plan plan, const LoadSize& size, const Rule& rule) {
  const Load load = make_load(size);
  Game game(load, Watched<Player>(load, plan));
  for (int step = 0; step < kSteps; ++step) {
    static_cast<void>(game.step());
    const Watched<Player>& watched = game.player();
    if (!watched.fault().empty()) return complain(who, plan, size, step, watched.fault());
    const std::string broken = rule(watched.player());
    if (!broken.empty()) return complain(who, plan, size, step, broken);
  }
  return true;
}

struct NoRule {
  template <typename Player>
  std::string operator()(const Player&) const {
    return "";
  }
};

struct NomadRule {
  std::string operator()(const NomadPlayer& player) const {
    const auto [visited, considered] = player.last_look();
    if (considered > player.limit() + NomadPlayer::kMaxSkipped) return "scored too many nodes";
    if (considered < player.limit() && visited != kNodes) return "stopped before enough nodes fit";
    return "";
  }
};

struct KubeRule {
  mutable std::uint32_t next = 0;
  std::string operator()(const KubePlayer& player) const {
    const auto [first, visited, scored] = player.last_look();
    if (first != next) return "did not start where it stopped";
    next = static_cast<std::uint32_t>((first + visited) % kNodes);
    if (scored > KubePlayer::enough(kNodes)) return "scored too many nodes";
    if (scored < KubePlayer::enough(kNodes) && visited != kNodes)
      return "stopped before enough nodes fit";
    return "";
  }
};

bool agree_on(Plan plan, const LoadSize& size, int steps) {
  const Load load = make_load(size);
  using Simd = placement::EngineOptions::Simd;
  Game engine(load, EnginePlayer(load, plan));
  Game indexed(load, EnginePlayer(load, plan, {.scan_up_to_nodes = 0}));
  Game plain(load, EnginePlayer(load, plan, {.simd = Simd::Scalar}));
  Game scan(load, ScanPlayer(load, plan));
  Game simd(load, SimdPlayer(load, plan));
  for (int step = 0; step < steps; ++step) {
    const std::int64_t node = engine.step();
    const std::int64_t others[] = {plain.step(), scan.step(), simd.step(), indexed.step()};
    if (std::ranges::all_of(others, [&](std::int64_t other) { return other == node; })) continue;
    return complain("Place", plan, size, step,
                    "engine " + std::to_string(node) + ", without SIMD " +
                        std::to_string(others[0]) + ", Scan " + std::to_string(others[1]) +
                        ", ScanSimd " + std::to_string(others[2]) + ", by indexes alone " +
                        std::to_string(others[3]));
  }
  return true;
}

// The scans draw otherwise than the engine, which draws alike with SIMD and without.
bool random_agrees(const LoadSize& size) {
  const Load load = make_load(size);
  Game engine(load, EnginePlayer(load, Plan::Random));
  Game plain(load,
             EnginePlayer(load, Plan::Random, {.simd = placement::EngineOptions::Simd::Scalar}));
  for (int step = 0; step < kSteps; ++step) {
    if (engine.step() != plain.step())
      return complain("Place", Plan::Random, size, step, "with and without SIMD differ");
  }
  return plays_by<EnginePlayer>("Place", Plan::Random, size, NoRule{}) &&
         plays_by<ScanPlayer>("Scan", Plan::Random, size, NoRule{}) &&
         plays_by<SimdPlayer>("ScanSimd", Plan::Random, size, NoRule{});
}

}  // namespace

bool exact_players_agree() {
  for (const LoadSize& size : kLoads) {
    for (const Plan plan : kPlans) {
      if (!(plan == Plan::Random ? random_agrees(size) : agree_on(plan, size, kSteps)))
        return false;
    }
  }
  for (const LoadSize& size : kLargeLoads) {
    for (const Plan plan : kPlans) {
      if (plan != Plan::Random && !agree_on(plan, size, kLargeSteps)) return false;
    }
  }
  return true;
}

bool peers_keep_their_rules() {
  for (const LoadSize& size : kLoads) {
    for (const Plan plan : kPlans) {
      if (!plays_by<SwarmPlayer>("Swarm", plan, size, NoRule{}) ||
          !plays_by<NomadPlayer>("Nomad", plan, size, NomadRule{}) ||
          !plays_by<KubePlayer>("Kube", plan, size, KubeRule{})) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace berth::bench
