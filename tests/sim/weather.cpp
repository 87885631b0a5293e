// SPDX-License-Identifier: Apache-2.0
// How much goes wrong for a while; and the end of it, when everything must become as it should.
#include <algorithm>
#include <sstream>

#include "tests/sim/faulty_store.hpp"
#include "tests/sim/simulation.hpp"

namespace berth::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

}  // namespace

// A weight of zero for about half of all faults: a rare coincidence shows in calm weather, not in a
// storm.
void Simulation::change_weather() {
  const auto draw = [this](int most) {
    return odds(50) ? 0 : 1 + static_cast<int>(pick(static_cast<std::uint64_t>(most)));
  };
  faults_ = {.refuse_start = draw(20),
             .break_start = draw(15),
             .plugin_busy = draw(20),
             .never_answer = draw(10),
             .lose = draw(15),
             .repeat = draw(20),
             .reorder = draw(50),
             .node_away = draw(3),
             .node_gone = draw(2),
             .ill_health = draw(4),
             .pull_failure = draw(6),
             .plugin_restart = draw(2),
             .crash = draw(2),
             .clock_back = draw(30),
             .store_failure = draw(1),
             .bad_rollout = draw(80),
             .stop_rollout = draw(60)};
  // What needs a service that has come to rest is seen in calm weather only.
  calm_ = odds(25);
}

// Half a minute in which everything works; now and then a host is drained, or is no more, so that
// tasks lie unevenly afterwards.
void Simulation::settle_somewhat() {
  if (!plugin_.runs() || store_->failing()) return;
  if (odds(8)) drain_a_node();
  now_ += seconds(5 + pick(25));
  end_overdue_calls();
  (void)go_on();
}

// What is asked for is done, what is to be said is heard, and each task takes a step. True where
// there was nothing to do.
bool Simulation::go_on() {
  bool quiet = true;
  for (int turn = 0; turn < 3; ++turn) {
    quiet = quiet && waiting_for(false) == 0 && waiting_for(true) == 0 && posted_.empty();
    while (waiting_for(false) > 0) work_on(0, "ok");
    while (waiting_for(true) > 0) plugin_.command("send 0");
    store_->sync();
    drain();
    if (dying_) return false;
    if (quiet) break;
  }
  std::istringstream lines(plugin_.command("tasks"));
  for (std::string line; std::getline(lines, line);) {
    plugin_.command("step " + line.substr(0, 32));
  }
  return quiet;
}

// Everything works, for as long as everything may take.
void Simulation::expect_convergence() {
  note("faults end");
  faults_ = {};
  healing_ = true;
  effects_to_live_ = -1;
  if (store_->failing()) die();
  if (!plugin_.runs()) start_plugin();
  for (const std::string& id : away_) plugin_.command("on " + id);
  away_.clear();
  const auto settled = [this] {
    for (const auto& [key, service] : ledger_.services()) {
      if (!can_settle(key)) continue;
      // Its last tasks may be RUNNING and not healthy yet.
      const auto* primary = ledger_.deployment(key, service.primary());
      if (!has_settled(key) ||
          primary->rollout() != model::StoredServiceDeployment::ROLLOUT_COMPLETED) {
        return false;
      }
    }
    return true;
  };
  // Services take as long as their throttles and percentages make them; all else has seven minutes.
  const Instant soon = now_ + minutes(7);
  const Instant late = now_ + minutes(40);
  while (now_ < soon || (now_ < late && !settled())) {
    const bool quiet = go_on();
    // Where nothing moves but time, it goes to where the core wants to be woken.
    const bool idle = quiet && waiting_for(true) == 0 && posted_.empty() && wake_ > now_;
    now_ += idle ? std::clamp<milliseconds>(wake_ - now_, seconds(1), seconds(20)) : seconds(1);
    end_overdue_calls();
  }
  look();
  store_->sync();
  drain();
  store_->sync();
  drain();
  check_state();
  check_world();
  check_converged();
  check_services_converged();
  healing_ = false;
}

}  // namespace berth::sim
