// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/simulation.hpp"

#include <algorithm>
#include <sstream>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"
#include "core/model/error.hpp"
#include "tests/sim/faulty_store.hpp"

namespace berth::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kHistory = 60;
constexpr std::uint64_t kDrainsPerSweep = 100;
constexpr int kMaxRevisions = 20;  // they stay for ever, and each restart reads them all
constexpr int kMaxNodes = 4;

const PluginName& sim_name() {
  static const PluginName name("sim");
  return name;
}

}  // namespace

Simulation::Simulation(Options options)
    : options_(std::move(options)),
      chance_(options_.seed),
      ids_(options_.seed ^ 0x5eed),
      rules_(rules_with(options_.defect)),
      plugin_(options_.plugin,
              {.completed =
                   [this](std::uint64_t operation, berth_status status, std::string payload) {
                     completed(operation, status, std::move(payload));
                   },
               .heard = [this](std::uint32_t event,
                               std::string payload) { heard(event, std::move(payload)); }}) {
  plugin_.begin();
  plugin_.command("reset");
  plugin_.end();
  boot();
  start_plugin();
  bring_hosts(options_.hosts);
  for (int i = 0; options_.hosts == 0 && i < 3; ++i) touch_a_node();
}

Simulation::~Simulation() {
  core_.reset();
  plugin_.end();
}

void Simulation::note(std::string line) {
  history_.push_back(std::to_string(steps_) + " " + std::move(line));
  if (history_.size() > kHistory) history_.pop_front();
}

void Simulation::require(bool holds, const std::string& what) const {
  if (!holds) throw Violation(what);
}

// ---- Life of the process -----------------------------------------------------------------------

void Simulation::boot() {
  ++life_;
  open_replies_ = 0;
  dying_ = false;
  effects_to_live_ = -1;
  ledger_.begin(disk_);
  store_ = std::make_unique<FaultyStore>(
      disk_, options_.defect, [this](const store::Batch& batch) { ledger_.read(batch, now_); });
  auto loaded = store_->load();
  control::Config config;
  config.service_rules = &rules_;
  core_ = std::make_unique<control::Control>(
      config,
      control::Ports{
          .store = *store_,
          .plugins = *this,
          .timers = *this,
          .rng = ids_,
          .halt = [this](Error) { dying_ = true; },
          .post = [this](std::function<void()> work) { posted_.push_back(std::move(work)); }});
  const auto restored = core_->restore(std::move(*loaded), now_);
  require(restored.has_value(), "the store could not be restored");
  check_state();
}

// The process ends here and now, and comes up again with what the store kept.
void Simulation::die() {
  ++tally_.crashes;
  core_.reset();
  posted_.clear();
  operations_.clear();
  plugin_.end();
  store_->crash(store_->waiting() == 0 ? 0 : pick(store_->waiting() + 1));
  note("crash");
  boot();
  start_plugin();
}

void Simulation::start_plugin() {
  plugin_.begin();
  plugin_.call(v1::METHOD_ACTIVATE, "", ++last_operation_);
  core_->plugin_up({sim_name(), {"EC2"}, {}, false});
}

void Simulation::stop_plugin() {
  ++tally_.plugin_restarts;
  plugin_.end();
  for (auto& [number, operation] : operations_) {
    posted_.push_back([done = operation.done] {
      done(tl::unexpected(Error{Errc::Cancelled, "the plugin ended"}));
    });
  }
  operations_.clear();
  core_->plugin_down(sim_name());
}

bool Simulation::effect() {
  if (dying_) return false;
  if (effects_to_live_ < 0) return true;
  if (effects_to_live_-- > 0) return true;
  dying_ = true;
  return false;
}

void Simulation::call(const PluginName&, std::uint32_t method, std::string request,
                      milliseconds timeout, std::function<void(Result<std::string>)> done) {
  if (!effect()) return;
  check_call(method, request);
  const auto later = [&](Result<std::string> result) {
    posted_.push_back([done, result = std::move(result)] { done(result); });
  };
  if (!plugin_.runs()) return later(tl::unexpected(Error{Errc::Unavailable, "not running"}));
  if (options_.defect == Defect::StopsUnsent && method == v1::METHOD_LAUNCH_STOP) return later("");
  const std::uint64_t number = ++last_operation_;
  operations_[number] = {method, now_ + timeout, std::move(done)};
  if (options_.defect == Defect::SecondStarts && method == v1::METHOD_LAUNCH_START && odds(30)) {
    v1::StartTaskRequest second;
    second.ParseFromString(request);
    second.mutable_task_id()->front() = 'x';
    plugin_.call(method, second.SerializeAsString(), ++last_operation_);
  }
  const berth_status status = plugin_.call(method, request, number);
  if (status == BERTH_OK) return;
  const auto refused = operations_.extract(number);
  posted_.push_back([done = refused.mapped().done, status] {
    done(tl::unexpected(Error{errc_of_status(status), "refused"}));
  });
}

void Simulation::completed(std::uint64_t number, berth_status status, std::string payload) {
  const auto at = operations_.find(number);
  if (at == operations_.end()) return;  // late, or the second of one
  auto done = std::move(at->second.done);
  if (options_.defect == Defect::LostTrail && at->second.method == v1::METHOD_LAUNCH_RECOVER) {
    v1::RecoverResponse wrong;
    wrong.ParseFromString(payload);
    for (const v1::TaskReport& report : wrong.known()) wrong.add_unknown(report.task_id());
    wrong.clear_known();
    payload = wrong.SerializeAsString();
  }
  operations_.erase(at);
  Result<std::string> result = std::move(payload);
  if (status != BERTH_OK) {
    v1::Failure failure;
    failure.ParseFromString(*result);
    result = tl::unexpected(Error{errc_of_status(status), failure.message()});
  }
  posted_.push_back([done = std::move(done), result = std::move(result)] { done(result); });
}

void Simulation::heard(std::uint32_t event, std::string payload) {
  if (options_.defect == Defect::StaleReports && event == v1::EVENT_LAUNCH_TASK) {
    v1::TaskReport report;
    report.ParseFromString(payload);
    std::string& first = last_reports_[report.task_id()];
    if (first.empty()) first = payload;
    if (odds(30)) report.ParseFromString(first);
    report.set_sequence(++forged_sequence_);
    payload = report.SerializeAsString();
  }
  if (options_.defect == Defect::DoubledCapacity) {
    const auto doubled = [](auto* nodes) {
      for (v1::Node& node : *nodes) {
        auto* cpu = node.mutable_resources(0)->mutable_counter();
        cpu->set_total(cpu->total() * 2);
      }
    };
    if (event == v1::EVENT_LAUNCH_INVENTORY) {
      v1::InventorySnapshot snapshot;
      snapshot.ParseFromString(payload);
      doubled(snapshot.mutable_nodes());
      payload = snapshot.SerializeAsString();
    } else if (event == v1::EVENT_LAUNCH_INVENTORY_DELTA) {
      v1::InventoryDelta delta;
      delta.ParseFromString(payload);
      doubled(delta.mutable_upserts());
      payload = delta.SerializeAsString();
    }
  }
  posted_.push_back([this, event, payload = std::move(payload)] {
    core_->plugin_event(sim_name(), event, payload);
  });
}

void Simulation::end_overdue_calls() {
  for (auto at = operations_.begin(); at != operations_.end();) {
    if (at->second.deadline > now_) {
      ++at;
      continue;
    }
    Result<std::string> result = tl::unexpected(Error{Errc::Deadline, "no answer"});
    if (options_.defect == Defect::TimeoutMeansNo && at->second.method == v1::METHOD_LAUNCH_START) {
      result = tl::unexpected(Error{Errc::Precondition, "no answer"});
    }
    posted_.push_back([done = std::move(at->second.done), result] { done(result); });
    at = operations_.erase(at);
  }
}

// ---- Actions -----------------------------------------------------------------------------------

void Simulation::step() {
  ++steps_;
  coverage_.step(capacity_.size(), ledger_.services().size(), faults_);
  act();
  if (dying_) die();
}

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
             .plugin_restart = draw(2),
             .crash = draw(2),
             .store_failure = draw(1),
             .bad_rollout = draw(80),
             .stop_rollout = draw(60)};
}

void Simulation::act() {
  if (odds(faults_.crash)) {
    effects_to_live_ = static_cast<int>(pick(4));
    note("dies in " + std::to_string(effects_to_live_) + " effects");
    return;
  }
  if (odds(faults_.plugin_restart) && odds(50)) {
    note(plugin_.runs() ? "plugin ends" : "plugin comes up");
    return plugin_.runs() ? stop_plugin() : start_plugin();
  }
  if (faults_.store_failure > 0 && pick(500) == 0) {
    note("store fails");
    return store_->fail(Error{Errc::NoCapacity, "disk full", Subject::Store});
  }
  switch (pick(20)) {
    case 0:
      return run_something();
    case 1:
      return odds(60) ? stop_something() : odds(50) ? look() : start_something();
    case 2:
      return pass_time();
    case 3:
    case 4:
    case 5:
      return work_something();
    case 6:
    case 7:
    case 8:
      return say_something();
    case 9:
    case 10:
      return move_a_task();
    case 11:
      return touch_a_node();
    case 12:
      if (store_->waiting() > 0) store_->sync_one();
      return;
    case 13:
      if (odds(3)) return change_definitions();
      return odds(30) ? plan_something() : look();
    case 14:
    case 15:
      return do_with_services();
    case 16:
      return move_a_task();
    default:
      return drain();
  }
}

// One turn of the loop: what is queued, then the tick.
void Simulation::drain() {
  if (odds(60)) store_->sync();
  std::deque<std::function<void()>> work;
  std::swap(work, posted_);
  for (auto& one : work) {
    one();
    if (dying_) return;
  }
  core_->tick(now_);
  if (dying_) return;
  // Each change was checked when it was handed over; this is the whole once more.
  if (++drains_ % kDrainsPerSweep == 0) {
    check_state();
    ledger_.sweep();
  }
  if (drains_ % 8 == 0) check_world();
}

void Simulation::submit_run(const Ask& ask) {
  control::RunTask command;
  command.request.set_task_definition(ask.definition);
  command.request.set_count(ask.count);
  if (!ask.token.empty()) command.request.set_client_token(ask.token);
  ++open_replies_;
  core_->submit(std::move(command), [this, ask, life = life_](Result<control::Answer> answer) {
    if (life != life_ || !effect()) return;
    --open_replies_;
    ++tally_.runs_answered;
    if (answer) check_answer(ask, std::get<control::RunTaskAnswer>(*answer));
  });
}

void Simulation::run_something() {
  if (unfinished_alone() >= most_alone()) return;
  Ask ask;
  ask.definition = "work" + std::to_string(pick(4));
  ask.count = 1 + static_cast<int>(pick(3));
  if (core_->state().definition({FamilyName(ask.definition), 0}) == nullptr) change_definitions();
  if (odds(50)) {
    // A token stands for one request; half a day later the same words are another token.
    const auto day = now_.time_since_epoch() / hours(12);
    const std::uint64_t number = pick(6);
    ask.token = "token" + std::to_string(day) + "-" + std::to_string(number);
    ask.definition = "work" + std::to_string(number % 4);
    ask.count = 1 + static_cast<int>(number % 3);
  }
  note("RunTask " + ask.definition + " x" + std::to_string(ask.count) + " " + ask.token);
  submit_run(ask);
}

void Simulation::change_definitions() {
  control::RegisterTaskDefinition command;
  const std::uint64_t kind = pick(4);
  const auto known = core_->state().families().find(FamilyName("work" + std::to_string(kind)));
  if (known != core_->state().families().end() && known->second.last_revision >= kMaxRevisions) {
    return;
  }
  command.request.set_family("work" + std::to_string(kind));
  auto* container = command.request.add_container_definitions();
  container->set_name("main");
  container->set_cpu(static_cast<std::int32_t>(100 + 100 * kind));
  container->set_memory(10);
  if (kind == 3) container->add_port_mappings()->set_host_port(8080);
  core_->submit(std::move(command), [](Result<control::Answer>) {});
}

void Simulation::stop_something() {
  std::vector<TaskId> candidates;
  for (const auto& [id, shown] : shown_) {
    const TaskPtr task = core_->state().task(id);
    // One that is under way already meets more of what can happen.
    if (task && odds(task->last_status < TaskStatus::Running ? 100 : 20)) candidates.push_back(id);
  }
  if (candidates.empty()) return;
  const TaskId id = candidates[pick(candidates.size())];
  note("StopTask " + id.str());
  control::StopTask command;
  command.request.set_task(id.str());
  ++open_replies_;
  core_->submit(std::move(command), [this, id, life = life_](Result<control::Answer> answer) {
    if (life != life_ || !effect()) return;
    --open_replies_;
    if (!answer) return;  // pruned meanwhile
    const TaskPtr task = std::get<TaskPtr>(*answer);
    require(task->desired_status == DesiredStatus::Stopped, "a stop was answered and not noted");
    if (pruned_.count(id) != 0) return;
    require(!core_->state().task(id) || durable(id.str()) != nullptr,
            "a stop was answered for a task that is not durable");
    shown_[id].stop_promised = true;
    observe(*task);
  });
}

// DescribeTasks over everything: what was shown once may not be taken back.
void Simulation::look() {
  ++open_replies_;
  core_->query([this, life = life_](const control::State& state) -> std::function<void()> {
    std::vector<TaskPtr> all;
    for (const auto& [id, task] : state.tasks()) all.push_back(task);
    return [this, life, all = std::move(all)] {
      if (life != life_ || !effect()) return;
      --open_replies_;
      for (const TaskPtr& task : all) observe(*task);
    };
  });
}

void Simulation::pass_time() {
  const std::uint64_t kind = pick(20);
  if (kind < 10 && wake_ > now_) {
    now_ = std::min(wake_, now_ + seconds(60));
  } else if (kind == 19) {
    now_ += minutes(pick(20));
  } else {
    now_ += milliseconds(pick(3000));
  }
  end_overdue_calls();
}

std::size_t Simulation::waiting_for(bool outbox) {
  std::istringstream in(plugin_.command("queues"));
  std::size_t heard = 0;
  std::size_t said = 0;
  in >> heard >> said;
  return outbox ? said : heard;
}

void Simulation::work_something() {
  if (!plugin_.runs()) return;
  const std::size_t waiting = waiting_for(false);
  if (waiting == 0) return;
  const std::size_t index = odds(faults_.reorder) ? pick(waiting) : 0;
  std::string mode = "ok";
  if (odds(faults_.refuse_start)) mode = "refuse";
  if (odds(faults_.break_start)) mode = "half";
  if (odds(faults_.plugin_busy)) mode = "unavailable";
  if (odds(faults_.never_answer)) mode = "mute";
  if (mode != "ok") note("plugin works: " + mode);
  work_on(index, mode);
}

void Simulation::say_something() {
  if (!plugin_.runs()) return;
  const std::size_t waiting = waiting_for(true);
  if (waiting == 0) return;
  const std::size_t index = odds(faults_.reorder) ? pick(waiting) : 0;
  std::string verb = "send ";
  if (odds(faults_.repeat)) verb = "copy ";
  if (odds(faults_.lose)) verb = "drop ";
  if (verb != "send ") note("plugin says: " + verb);
  plugin_.command(verb + std::to_string(index));
}

std::string Simulation::some_task() {
  std::istringstream lines(plugin_.command("tasks"));
  std::vector<std::string> ids;
  for (std::string line; std::getline(lines, line);) ids.push_back(line.substr(0, 32));
  return ids.empty() ? "" : ids[pick(ids.size())];
}

void Simulation::move_a_task() {
  if (!plugin_.runs()) return;
  const std::string id = some_task();
  if (id.empty()) return;
  if (odds(faults_.ill_health)) {
    note("health checks fail " + id);
    plugin_.command("ail " + id);
    return;
  }
  plugin_.command((odds(8) ? "exit " : "step ") + id);
}

void Simulation::touch_a_node() {
  if (!plugin_.runs()) return;
  if (options_.hosts == 0 && capacity_.size() < kMaxNodes && (capacity_.size() < 3 || odds(5))) {
    char id[33];
    std::snprintf(id, sizeof id, "%032x", ++next_node_);
    const std::int64_t cpu = static_cast<std::int64_t>(600 + 100 * pick(6));
    capacity_[id] = cpu;
    note(std::string("node comes ") + id);
    plugin_.command("node " + std::string(id) + " " + std::to_string(cpu) + " 4096");
    return;
  }
  if (capacity_.empty()) return;
  const std::string id = some_node();
  if (away_.count(id) != 0) {
    if (odds(30)) {
      away_.erase(id);
      note("node is back " + id);
      plugin_.command("on " + id);
    }
    return;
  }
  if (odds(faults_.node_gone) && odds(20)) return deregister_a_node();
  if (odds(faults_.node_gone) && odds(20)) {
    capacity_.erase(id);
    note("node is gone " + id);
    plugin_.command("gone " + id);
  } else if (odds(faults_.node_away)) {
    away_.insert(id);
    note("node is away " + id);
    plugin_.command("off " + id);
  }
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
    bool quiet = true;
    for (int turn = 0; turn < 3; ++turn) {
      quiet = quiet && waiting_for(false) == 0 && waiting_for(true) == 0 && posted_.empty();
      while (waiting_for(false) > 0) work_on(0, "ok");
      while (waiting_for(true) > 0) plugin_.command("send 0");
      store_->sync();
      drain();
      if (quiet) break;
    }
    std::istringstream lines(plugin_.command("tasks"));
    for (std::string line; std::getline(lines, line);)
      plugin_.command("step " + line.substr(0, 32));
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
