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
#include "core/control/services/rules.hpp"
#include "tests/sim/coverage.hpp"
#include "tests/sim/ledger.hpp"
#include "tests/sim/sim_plugin.hpp"
#include "tests/support/memory_store.hpp"

namespace berth::sim {

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
  LostTrail,             // tasks that run on while nobody looks are taken for gone
  // Of services: in the rules that the scheduler goes by, or in what is stored.
  WrongPercent,    // minimumHealthyPercent is rounded down
  WrongMaximum,    // maximumPercent is rounded up, and one more
  GreedyScaleIn,   // stops one more than there is too much
  SleepyBreaker,   // never has enough of failures
  HastyBreaker,    // has enough of the first
  DrainIgnored,    // tasks on draining instances count as if they could stay
  ForgottenPost,   // a DAEMON service leaves its last vacant instance alone
  LostProtection,  // that a task is protected is not stored
  LostPins,        // which digests a deployment has pinned is not stored
  ManyResolvers,   // all tasks of a deployment resolve its tags
  RestlessZones,   // moves a task into the fullest zone
  ForgottenZones,  // moves none
};
inline constexpr std::array kDefects = {Defect::EarlyAcknowledgement,
                                        Defect::LostTokens,
                                        Defect::LostEnds,
                                        Defect::TimeoutMeansNo,
                                        Defect::SecondStarts,
                                        Defect::StopsUnsent,
                                        Defect::DoubledCapacity,
                                        Defect::StaleReports,
                                        Defect::LostTrail,
                                        Defect::WrongPercent,
                                        Defect::WrongMaximum,
                                        Defect::GreedyScaleIn,
                                        Defect::SleepyBreaker,
                                        Defect::HastyBreaker,
                                        Defect::DrainIgnored,
                                        Defect::ForgottenPost,
                                        Defect::LostProtection,
                                        Defect::LostPins,
                                        Defect::ManyResolvers,
                                        Defect::RestlessZones,
                                        Defect::ForgottenZones};
[[nodiscard]] const char* to_string(Defect defect);
// The scheduler's rules, with that mistake where it is one of theirs.
[[nodiscard]] control::ServiceRules rules_with(Defect defect);

struct Options {
  std::string plugin;  // path of the library
  std::uint64_t seed = 1;
  Defect defect = Defect::None;
  int hosts = 0;  // at the start; 0: a few that come one by one
};

struct Tally {
  std::uint64_t runs_answered = 0;
  std::uint64_t tasks_placed = 0;
  std::uint64_t tasks_stopped = 0;
  std::uint64_t crashes = 0;
  std::uint64_t plugin_restarts = 0;
  std::uint64_t pruned = 0;
  std::uint64_t services_made = 0;
  std::uint64_t deployments_begun = 0;  // by UpdateService
  std::uint64_t starts_answered = 0;    // StartTask
  std::uint64_t plans_answered = 0;     // PlanTask
  std::uint64_t deregistered = 0;       // container instances
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
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }

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
  // placing.cpp
  void start_something();
  void plan_something();
  void deregister_a_node();
  void bring_hosts(int count);
  void work_on(std::size_t index, const std::string& mode);
  [[nodiscard]] std::string some_definition();
  [[nodiscard]] std::string some_node();
  [[nodiscard]] std::size_t unfinished_alone() const;
  [[nodiscard]] std::size_t most_alone() const { return options_.hosts > 0 ? 200 : 12; }
  [[nodiscard]] int most_desired() const { return options_.hosts > 0 ? 60 : 4; }
  void check_reservations() const;
  // Of services (services.cpp).
  void do_with_services();
  void create_a_service();
  void update_a_service();
  void delete_a_service();
  void stop_a_deployment();
  [[nodiscard]] std::string some_revision(bool bad);
  void protect_a_task();
  void drain_a_node();
  void define_for_services();
  [[nodiscard]] std::string some_service();
  template <typename CommandOf>
  void submit_for_service(CommandOf command, std::function<void(const control::Answer&)> then);
  [[nodiscard]] std::string some_task();
  [[nodiscard]] std::size_t waiting_for(bool outbox);

  // ---- Checks
  void check_call(std::uint32_t method, const std::string& request);
  void check_answer(const Ask& ask, const control::RunTaskAnswer& answer);
  void check_state();  // all of it
  void task_erased(const TaskId& id);
  void check_world();
  void check_converged();
  void check_services_converged();
  [[nodiscard]] bool has_settled(const std::string& key) const;
  [[nodiscard]] bool is_balanced(const std::string& key) const;
  [[nodiscard]] bool can_settle(const std::string& key) const;
  [[nodiscard]] std::set<std::string> with_room(std::int64_t cpu) const;
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
  control::ServiceRules rules_;
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
  Ledger ledger_{{capacity_, [this](const std::string& id) { task_erased(TaskId(id)); }}};
  std::set<std::string> away_;
  int next_node_ = 0;
  std::map<TaskId, Shown> shown_;
  // By service: how often it was changed, and the desired count that was answered last and is not
  // being changed.
  std::map<std::string, std::uint64_t> changes_;
  std::map<std::string, int> promised_desired_;
  std::map<std::string, std::uint64_t> protections_;  // how often it was asked for, by task
  std::set<TaskId> pruned_;
  std::map<std::string, std::set<TaskId>> made_by_token_;
  std::uint64_t open_replies_ = 0;
  std::uint64_t life_ = 0;  // of the process; replies of earlier ones do not count
  std::map<std::string, std::string> last_reports_;  // for StaleReports
  std::uint64_t forged_sequence_ = 1'000'000;
  std::uint64_t steps_ = 0;
  std::uint64_t drains_ = 0;
  Coverage coverage_;
  Tally tally_;
  std::deque<std::string> history_;
};

}  // namespace berth::sim
