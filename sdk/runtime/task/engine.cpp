// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/engine.hpp"

#include <spdlog/spdlog.h>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/task/engine_loop.hpp"

namespace berth::runtime {
namespace {

constexpr std::int64_t kCommitAgainMs = 1'000;
constexpr std::int64_t kDropAgainMs = 60'000;

sdk::Error closed() { return sdk::fail(BERTH_UNAVAILABLE, "The agent is shutting down"); }

}  // namespace

// ---- Opening and closing

sdk::Result<void> TaskEngine::Loop::open() {
  auto contents = store_.load();
  if (!contents) return contents.error();
  epoch_ = contents->epoch;
  const Now now = clock_.now();
  std::vector<TaskSpecPtr> specs;
  std::set<std::string> with_logs;
  for (auto& task : contents->tasks) {
    const std::string id = task.request.task_id();
    auto plan = plan_task(task.request, {.stop_timeout = options_.stop_timeout});
    if (!plan || task.state.containers_size() != static_cast<int>(plan->containers.size())) {
      return sdk::fail(BERTH_INTERNAL, "the record of task " + id + " does not fit its definition");
    }
    Entry& entry = entries_[id];
    entry.spec = std::make_shared<const TaskSpec>(TaskSpec{std::move(task.request), std::move(*plan)});
    entry.state = std::move(task.state);
    // Told as it is on disk: whoever asks must not hear of an empty host while the disk takes nothing new.
    publish(id, entry);
    pass_time(entry, now);
    specs.push_back(entry.spec);
    with_logs.insert(id);
    touched_.insert(id);
  }
  for (const auto& ended : contents->ended) {
    ended_.insert(ended.task_id);
    ended_drops_.emplace(ended.forgotten_ms + options_.remember_forgotten.count(), ended.task_id);
    const std::int64_t drop = ended.stopped_ms + options_.cleanup_wait.count();
    if (drop <= now.ms) continue;
    log_drops_.emplace(drop, ended.task_id);
    with_logs.insert(ended.task_id);
  }
  host_.sweep(specs, with_logs);
  settle();
  thread_ = std::thread([this] { run(); });
  return {};
}

void TaskEngine::Loop::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ && !thread_.joinable()) return;
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (auto& [id, entry] : entries_) {
    for (auto& [slot, cancel] : entry.under_way) cancel.request_stop();
  }
  host_.begin_close();
  pulls_.stop();
  starts_.stop();
  stops_.stop();
  checks_.stop();
  host_.close();
}

// ---- Calls from other threads

bool TaskEngine::Loop::post(Message message) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    inbox_.push_back(std::move(message));
  }
  wake_.notify_one();
  return true;
}

sdk::Result<void> TaskEngine::Loop::ask(const std::function<Message(Answer)>& message) {
  auto answer = std::make_shared<std::promise<sdk::Result<void>>>();
  auto future = answer->get_future();
  if (!post(message(std::move(answer)))) return closed();
  return future.get();
}

sdk::Result<void> TaskEngine::Loop::start(const v1::StartTaskRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return closed();
    if (published_.contains(request.task_id())) return {};
  }
  auto plan = plan_task(request, {.stop_timeout = options_.stop_timeout});
  if (!plan) return plan.error();
  const auto spec = std::make_shared<const TaskSpec>(TaskSpec{request, std::move(*plan)});
  if (auto fine = host_.check(*spec); !fine) return fine;
  return ask([&](Answer answer) { return StartMessage{spec, std::move(answer)}; });
}

std::vector<v1::TaskReport> TaskEngine::Loop::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<v1::TaskReport> out;
  out.reserve(published_.size());
  for (const auto& [id, report] : published_) out.push_back(report);
  return out;
}

std::vector<TaskSpecPtr> TaskEngine::Loop::with_devices() const {
  const std::lock_guard lock(mutex_);
  std::vector<TaskSpecPtr> out;
  for (const auto& [id, spec] : with_devices_) out.push_back(spec);
  return out;
}

std::optional<v1::TaskReport> TaskEngine::Loop::find(const std::string& task_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = published_.find(task_id);
  if (found == published_.end()) return std::nullopt;
  return found->second;
}

// ---- The loop

void TaskEngine::Loop::run() {
  std::deque<Message> batch;
  while (next_batch(batch)) {
    for (auto& message : batch) {
      std::visit([this](auto& one) { take(std::move(one)); }, message);
    }
    fire_due();
    settle();
  }
  // Whoever waits for a start or a stop that was not taken up any more.
  give_up(closed());
  for (auto& message : batch) {
    std::visit(
        [](auto& one) {
          if constexpr (requires { one.answer; }) one.answer->set_value(closed());
        },
        message);
  }
}

bool TaskEngine::Loop::next_batch(std::deque<Message>& batch) {
  batch.clear();
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return stopping_ || !inbox_.empty(); };
  if (const auto due = next_due(); due) {
    wake_.wait_until(lock, clock_.at(*due), ready);
  } else {
    wake_.wait(lock, ready);
  }
  batch.swap(inbox_);
  return !stopping_;
}

std::optional<std::int64_t> TaskEngine::Loop::next_due() const {
  std::optional<std::int64_t> due;
  const auto consider = [&](std::int64_t ms) {
    if (!due || ms < *due) due = ms;
  };
  if (!wakes_.empty()) consider(wakes_.begin()->first);
  if (!log_drops_.empty()) consider(log_drops_.begin()->first);
  if (!ended_drops_.empty()) consider(ended_drops_.begin()->first);
  if (commit_retry_ms_ != 0) consider(commit_retry_ms_);
  return due;
}

void TaskEngine::Loop::take(StartMessage message) {
  const std::string& id = message.spec->request.task_id();
  if (ended_.contains(id)) {
    message.answer->set_value(
        sdk::fail(BERTH_ALREADY_EXISTS, "Task " + id + " ran here, has stopped and was forgotten"));
    return;
  }
  const auto [at, is_new] = entries_.try_emplace(id);
  Entry& entry = at->second;
  if (is_new) {
    entry.spec = message.spec;
    entry.state = new_task(entry.spec->plan);
    entry.stepped = clock_.now();
    entry.added = true;
    entry.changed = true;
    touched_.insert(id);
  }
  // A doubled request is answered with the first: not before it is on disk.
  if (entry.added) {
    entry.answers.push_back(std::move(message.answer));
  } else {
    message.answer->set_value({});
  }
}

void TaskEngine::Loop::take(StopMessage message) {
  const std::string& id = message.request.task_id();
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    const bool was_here = ended_.contains(id);
    message.answer->set_value(was_here ? sdk::Result<void>{}
                                       : sdk::fail(BERTH_NOT_FOUND, "There is no task " + id));
    return;
  }
  apply(id, found->second, StopRequested{message.request.reason(), message.request.force(), message.code});
  found->second.answers.push_back(std::move(message.answer));
}

void TaskEngine::Loop::take(ForgetMessage message) {
  for (const std::string& id : message.task_ids) {
    const auto found = entries_.find(id);
    if (found != entries_.end()) apply(id, found->second, Forgotten{});
  }
  answers_.push_back(std::move(message.answer));
}

void TaskEngine::Loop::take(FactMessage message) {
  const auto found = entries_.find(message.task_id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (message.ended) entry.under_way.erase(message.ended->slot());
  if (const auto* pull = std::get_if<PullEnded>(&message.fact)) entry.pulls.erase(pull->container);
  apply(message.task_id, entry, message.fact);
}

void TaskEngine::Loop::take(ProgressMessage message) {
  const auto found = entries_.find(message.task_id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (!entry.under_way.contains({Action::Kind::Pull, message.container})) return;
  entry.pulls[message.container] = std::move(message.progress);
  apply(message.task_id, entry, PullBegan{message.began_ms});
}

void TaskEngine::Loop::take(LogsDropped message) {
  if (!message.dropped) log_drops_.emplace(clock_.now().ms + kDropAgainMs, message.task_id);
}

void TaskEngine::Loop::apply(const std::string& task_id, Entry& entry, const Fact& fact) {
  entry.stepped = clock_.now();
  if (step(entry.spec->plan, entry.state, fact, entry.stepped)) entry.changed = true;
  mark_launches(entry.state, options_.boot_id);
  touched_.insert(task_id);
}

void TaskEngine::Loop::pass_time(Entry& entry, Now now) {
  entry.stepped = now;
  if (step(entry.spec->plan, entry.state, now)) entry.changed = true;
  mark_launches(entry.state, options_.boot_id);
}

void TaskEngine::Loop::fire_due() {
  const Now now = clock_.now();
  while (!wakes_.empty() && wakes_.begin()->first <= now.ms) {
    const std::string id = wakes_.begin()->second;
    wakes_.erase(wakes_.begin());
    Entry& entry = entries_.at(id);
    entry.wake_ms = 0;
    pass_time(entry, now);
    touched_.insert(id);
  }
  while (!log_drops_.empty() && log_drops_.begin()->first <= now.ms) {
    stops_.post([this, id = log_drops_.begin()->second] { post(LogsDropped{id, host_.drop_logs(id)}); });
    log_drops_.erase(log_drops_.begin());
  }
  while (!ended_drops_.empty() && ended_drops_.begin()->first <= now.ms) {
    dropped_now_.push_back(ended_drops_.begin()->second);
    ended_drops_.erase(ended_drops_.begin());
  }
}

// ---- What a batch comes to

void TaskEngine::Loop::settle() {
  if (!commit()) return;
  for (const std::string& id : touched_) {
    Entry& entry = entries_.at(id);
    publish(id, entry);
    if (is_over(entry.state) && entry.state.forgotten()) {
      retire(id);
      continue;
    }
    arrange(entry);
    set_wake(id, entry);
  }
  touched_.clear();
  for (const Answer& answer : std::exchange(answers_, {})) answer->set_value({});
}

bool TaskEngine::Loop::commit() {
  TaskStore::Batch batch;
  const Now now = clock_.now();
  for (const std::string& id : touched_) {
    const Entry& entry = entries_.at(id);
    if (entry.added) batch.added.push_back(&entry.spec->request);
    if (entry.changed) batch.updated.push_back({&id, &entry.state});
    if (is_over(entry.state) && entry.state.forgotten()) {
      batch.ended.push_back({id, entry.state.stopped_ms(), now.ms});
    }
  }
  batch.dropped = dropped_now_;
  if (!batch.empty()) {
    BERTH_FAILPOINT("task.before_commit");
    if (auto written = store_.commit(batch); !written) {
      // Nothing of the batch has happened: new tasks are refused, the rest is written later.
      spdlog::error("tasks: cannot write: {}", written.error().message);
      give_up(written.error());
      commit_retry_ms_ = now.ms + kCommitAgainMs;
      return false;
    }
    BERTH_FAILPOINT("task.after_commit");
  }
  commit_retry_ms_ = 0;
  for (const std::string& id : touched_) {
    Entry& entry = entries_.at(id);
    entry.added = false;
    entry.changed = false;
    // Answered after the report is published, so that a task is listed once start() has returned.
    for (Answer& answer : std::exchange(entry.answers, {})) answers_.push_back(std::move(answer));
  }
  if (!dropped_now_.empty()) {
    const std::lock_guard lock(mutex_);
    for (const std::string& id : dropped_now_) ended_.erase(id);
    dropped_now_.clear();
  }
  return true;
}

void TaskEngine::Loop::give_up(const sdk::Error& error) {
  for (const Answer& answer : std::exchange(answers_, {})) answer->set_value(error);
  for (auto at = entries_.begin(); at != entries_.end();) {
    for (const Answer& answer : std::exchange(at->second.answers, {})) answer->set_value(error);
    if (!at->second.added) {
      ++at;
      continue;
    }
    touched_.erase(at->first);
    at = entries_.erase(at);
  }
}

void TaskEngine::Loop::publish(const std::string& task_id, Entry& entry) {
  v1::TaskReport now_told = report(entry.spec->request, entry.state);
  for (const auto& [container, progress] : entry.pulls) *now_told.add_pulls() = progress;
  std::string bytes = now_told.SerializeAsString();
  if (bytes == entry.told) return;
  const bool has_stopped = entry.state.stopped_ms() != 0;
  {
    const std::lock_guard lock(mutex_);
    if (entry.state.stop_wanted() || has_stopped) {
      with_devices_.erase(task_id);
    } else if (entry.spec->request.allocation().devices_size() > 0) {
      with_devices_[task_id] = entry.spec;
    }
    const auto before = published_.find(task_id);
    const bool had_stopped = before != published_.end() && before->second.has_stopped_at();
    if (has_stopped && !had_stopped) {
      log_drops_.emplace(entry.state.stopped_ms() + options_.cleanup_wait.count(), task_id);
    }
    entry.told = std::move(bytes);
    // The epoch makes sequences grow over restarts without a write for each.
    now_told.set_sequence((epoch_ << 32) | ++entry.count);
    if (entry.state.forgotten()) {
      published_.erase(task_id);
      return;
    }
    published_[task_id] = now_told;
  }
  report_(now_told);
}

void TaskEngine::Loop::retire(const std::string& task_id) {
  const Entry& entry = entries_.at(task_id);
  wakes_.erase({entry.wake_ms, task_id});
  ended_drops_.emplace(clock_.now().ms + options_.remember_forgotten.count(), task_id);
  {
    const std::lock_guard lock(mutex_);
    published_.erase(task_id);
    ended_.insert(task_id);
  }
  entries_.erase(task_id);
}

void TaskEngine::Loop::set_wake(const std::string& task_id, Entry& entry) {
  // As of the last step, not of now: what fell due while the disk was written is a wake in the past.
  const auto wake = next_wake(entry.spec->plan, entry.state, entry.stepped);
  const std::int64_t ms = wake ? wake->ms : 0;
  if (ms == entry.wake_ms) return;
  if (entry.wake_ms != 0) wakes_.erase({entry.wake_ms, task_id});
  if (ms != 0) wakes_.insert({ms, task_id});
  entry.wake_ms = ms;
}

// ---- The engine

TaskEngine::TaskEngine(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
TaskEngine::~TaskEngine() = default;

sdk::Result<std::unique_ptr<TaskEngine>> TaskEngine::open(EngineOptions options, TaskStore& store, Host& host,
                                                          Report report) {
  auto loop = std::make_unique<Loop>(options, store, host, std::move(report));
  if (auto opened = loop->open(); !opened) return opened.error();
  return std::unique_ptr<TaskEngine>(new TaskEngine(std::move(loop)));
}

sdk::Result<void> TaskEngine::start(const v1::StartTaskRequest& request) { return loop_->start(request); }
sdk::Result<void> TaskEngine::stop(const v1::StopTaskRequest& request, v1::StopCode code) {
  return loop_->ask([&](Answer answer) { return StopMessage{request, code, std::move(answer)}; });
}
std::vector<TaskSpecPtr> TaskEngine::with_devices() const { return loop_->with_devices(); }
std::vector<v1::TaskReport> TaskEngine::list() const { return loop_->list(); }
std::optional<v1::TaskReport> TaskEngine::find(const std::string& task_id) const { return loop_->find(task_id); }
void TaskEngine::forget(const std::vector<std::string>& task_ids) {
  (void)loop_->ask([&](Answer answer) { return ForgetMessage{task_ids, std::move(answer)}; });
}
void TaskEngine::shutdown() { loop_->shutdown(); }

}  // namespace berth::runtime
