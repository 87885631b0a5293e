// SPDX-License-Identifier: Apache-2.0
// The real control core in a world of which everything is decided by one seed: time, the store, the
// plugin and what it says, hosts, clients, crashes.
//
// Invariant: the same options give the same run. A broken promise of the core is thrown as a
// Violation.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/control/control.hpp"
#include "tests/sim/sim_plugin.hpp"
#include "tests/support/memory_store.hpp"

namespace berth::sim {

// What may go wrong, as weights against the rest of what happens; zero by default.
struct Faults {
  int refuse_start = 0;
  int break_start = 0;  // it happens, and the answer is INTERNAL
  int plugin_busy = 0;  // UNAVAILABLE without having done anything
  int never_answer = 0;
  int lose = 0;  // reports, inventories, answers
  int repeat = 0;
  int reorder = 0;  // what is said, or worked on
  int node_away = 0;
  int node_gone = 0;
  int plugin_restart = 0;
  int crash = 0;  // between any two effects; the store loses its unsynced tail
  int store_failure = 0;
};

// A defect planted at one of the core's seams, to see whether the checks find it.
enum class Defect {
  None,
  EarlyAcknowledgement,  // the store says durable before it is
  LostTokens,            // client tokens are not stored
  LostEnds,              // that a task stopped is not stored
  TimeoutMeansNo,        // a start that was not answered is taken for refused
  SecondStarts,          // a start is sometimes sent twice, the second under another id
  StopsUnsent,           // stops are answered, but not passed on
  DoubledCapacity,       // the core believes in twice the CPU
  StaleReports,          // old reports come with new sequence numbers
};
inline constexpr std::array kDefects = {
    Defect::EarlyAcknowledgement, Defect::LostTokens,   Defect::LostEnds,
    Defect::TimeoutMeansNo,       Defect::SecondStarts, Defect::StopsUnsent,
    Defect::DoubledCapacity,      Defect::StaleReports};
[[nodiscard]] const char* to_string(Defect defect);

struct Options {
  std::string plugin;  // path of the library
  std::uint64_t seed = 1;
  Defect defect = Defect::None;
};

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Tally {
  std::uint64_t runs_answered = 0;
  std::uint64_t tasks_placed = 0;
  std::uint64_t tasks_stopped = 0;
  std::uint64_t crashes = 0;
  std::uint64_t plugin_restarts = 0;
  std::uint64_t pruned = 0;
};

class Simulation : private Timers, private control::PluginCalls {
 public:
  explicit Simulation(Options options);
  ~Simulation() override;

  // One action, then the checks.
  void step();
  // Other weights from now on, drawn from the seed; about half of the faults are off.
  void change_weather();
  // No more faults: within bounded time everything must be as it should.
  void expect_convergence();

  [[nodiscard]] const std::deque<std::string>& history() const { return history_; }
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  class FaultyStore;
  struct Operation {
    std::uint32_t method;
    Instant deadline;
    std::function<void(Result<std::string>)> done;
  };
  struct Ask {
    std::string token;
    int count = 0;
    std::string definition;
  };
  // What the outside has been promised or shown.
  struct Shown {
    TaskStatus status = TaskStatus::Provisioning;
    std::int64_t version = 0;
    std::uint64_t sequence = 0;
    int container_rank = 0;  // PENDING, RUNNING, STOPPED
    bool stop_promised = false;
  };

  // ---- Life of the process
  void boot();
  void die();
  void start_plugin();
  void stop_plugin();
  void wake_at(Instant at) override { wake_ = at; }
  void call(const PluginName& plugin, std::uint32_t method, std::string request,
            milliseconds timeout, std::function<void(Result<std::string>)> done) override;
  // True where this effect leaves; the process may die before it.
  bool effect();
  void completed(std::uint64_t operation, berth_status status, std::string payload);
  void heard(std::uint32_t event, std::string payload);
  void end_overdue_calls();

  // ---- Actions
  void act();
  void drain();
  void submit_run(const Ask& ask);
  void run_something();
  void stop_something();
  void look();
  void change_definitions();
  void pass_time();
  void work_something();
  void say_something();
  void move_a_task();
  void touch_a_node();
  [[nodiscard]] std::string some_task();
  [[nodiscard]] std::size_t waiting_for(bool outbox);

  // ---- Checks
  void check_call(std::uint32_t method, const std::string& request) const;
  void check_answer(const Ask& ask, const control::RunTaskAnswer& answer);
  void check_state();
  void check_world();
  void check_converged();
  void observe(const Task& task);
  [[nodiscard]] const std::string* durable(const std::string& task) const;
  void require(bool holds, const std::string& what) const;

  // ---- Chance
  std::uint64_t pick(std::uint64_t n) { return chance_.next() % n; }
  bool odds(int in_hundred) { return pick(100) < static_cast<std::uint64_t>(in_hundred); }
  void note(std::string line);

  Options options_;
  SeededRng chance_;
  SeededRng ids_;
  Faults faults_;
  Instant now_{milliseconds(1'700'000'000'000)};
  Instant wake_{};

  test::MemoryDisk disk_;
  std::unique_ptr<FaultyStore> store_;
  SimPlugin plugin_;
  std::unique_ptr<control::Control> core_;
  std::deque<std::function<void()>> posted_;
  std::map<std::uint64_t, Operation> operations_;
  std::uint64_t last_operation_ = 0;
  int effects_to_live_ = -1;  // the process dies before this many further effects
  bool dying_ = false;
  bool healing_ = false;

  std::map<std::string, std::int64_t> capacity_;  // node -> CPU, as the world has it
  std::set<std::string> away_;
  int next_node_ = 0;
  std::map<TaskId, Shown> shown_;
  std::map<TaskId, Instant> seen_stopped_;
  std::set<TaskId> pruned_;
  std::map<std::string, std::set<TaskId>> made_by_token_;
  std::uint64_t open_replies_ = 0;
  std::uint64_t life_ = 0;  // of the process; replies of earlier ones do not count
  std::map<std::string, std::string> last_reports_;  // for StaleReports
  std::uint64_t forged_sequence_ = 1'000'000;
  std::uint64_t steps_ = 0;
  Tally tally_;
  std::deque<std::string> history_;
};

}  // namespace berth::sim
