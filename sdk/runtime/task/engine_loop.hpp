// SPDX-License-Identifier: Apache-2.0
// The loop of TaskEngine: its thread, what it holds of each task, and its messages. Private to engine*.cpp.
//
// Threads: as marked at the members.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "sdk/runtime/task/engine.hpp"
#include "sdk/runtime/task/workers.hpp"

namespace berth::runtime {
namespace engine {

using Answer = std::shared_ptr<std::promise<sdk::Result<void>>>;

// Wall time that does not jump while the agent runs.
class Clock {
 public:
  [[nodiscard]] Now now() const {
    const auto passed = std::chrono::steady_clock::now() - steady_;
    return {wall_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(passed).count()};
  }
  [[nodiscard]] std::chrono::steady_clock::time_point at(std::int64_t ms) const {
    return steady_ + std::chrono::milliseconds(ms - wall_ms_ + 1);
  }

 private:
  std::chrono::steady_clock::time_point steady_ = std::chrono::steady_clock::now();
  std::int64_t wall_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
};

struct StartMessage {
  TaskSpecPtr spec;
  Answer answer;
};
struct StopMessage {
  v1::StopTaskRequest request;
  v1::StopCode code = v1::STOP_CODE_USER_INITIATED;
  Answer answer;
};
struct ForgetMessage {
  std::vector<std::string> task_ids;
  Answer answer;
};
struct FactMessage {
  std::string task_id;
  Fact fact;
  std::optional<Action> ended;  // the action that gave the fact
};
struct ProgressMessage {
  std::string task_id;
  std::size_t container = 0;
  std::int64_t began_ms = 0;
  v1::PullProgress progress;
};
struct LogsDropped {
  std::string task_id;
  bool dropped = false;
};
using Message = std::variant<StartMessage, StopMessage, ForgetMessage, FactMessage, ProgressMessage, LogsDropped>;

// One task as the loop thread holds it.
struct Entry {
  TaskSpecPtr spec;
  TaskState state;
  std::map<Action, std::stop_source> under_way;  // by slot
  std::map<std::size_t, v1::PullProgress> pulls;
  std::string told;  // the last report without its sequence, serialised
  std::uint32_t count = 0;
  std::int64_t wake_ms = 0;
  Now stepped;           // the time of the last step: what has fallen due since is still to be decided
  bool added = false;    // not on disk yet
  bool changed = false;  // the state is newer than the one on disk
  std::vector<Answer> answers;
};

}  // namespace engine

using engine::Answer;
using engine::Clock;
using engine::Entry;
using engine::FactMessage;
using engine::ForgetMessage;
using engine::LogsDropped;
using engine::Message;
using engine::ProgressMessage;
using engine::StartMessage;
using engine::StopMessage;

class TaskEngine::Loop {
 public:
  Loop(EngineOptions options, TaskStore& store, Host& host, Report report)
      : options_(options),
        store_(store),
        host_(host),
        report_(std::move(report)),
        pulls_(options.concurrent_pulls),
        starts_(options.concurrent_starts),
        stops_(options.concurrent_starts),
        checks_(options.concurrent_checks) {}
  ~Loop() { shutdown(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  sdk::Result<void> open();
  void shutdown();
  sdk::Result<void> start(const v1::StartTaskRequest& request);
  sdk::Result<void> ask(const std::function<Message(Answer)>& message);
  [[nodiscard]] std::vector<v1::TaskReport> list() const;
  [[nodiscard]] std::optional<v1::TaskReport> find(const std::string& task_id) const;
  [[nodiscard]] std::vector<TaskSpecPtr> with_devices() const;

 private:
  bool post(Message message);
  void run();
  bool next_batch(std::deque<Message>& batch);
  [[nodiscard]] std::optional<std::int64_t> next_due() const;

  void take(StartMessage message);
  void take(StopMessage message);
  void take(ForgetMessage message);
  void take(FactMessage message);
  void take(ProgressMessage message);
  void take(LogsDropped message);
  void apply(const std::string& task_id, Entry& entry, const Fact& fact);
  void pass_time(Entry& entry, Now now);
  void fire_due();

  void settle();
  bool commit();
  void give_up(const sdk::Error& error);
  void publish(const std::string& task_id, Entry& entry);
  void arrange(Entry& entry);
  void begin(Entry& entry, const Action& action, const std::stop_token& cancel);
  void set_wake(const std::string& task_id, Entry& entry);
  void retire(const std::string& task_id);

  // Jobs, on worker threads.
  void do_pull(const TaskSpecPtr& spec, std::size_t container, const std::stop_token& cancel);
  void do_launch(const TaskSpecPtr& spec, const Action& action, const ContainerState& state, const std::stop_token& cancel);
  void do_check_health(const TaskSpecPtr& spec, const Action& action, std::uint32_t run, const std::stop_token& cancel);
  void do_signal(const TaskSpecPtr& spec, const Action& action, int number);
  void do_remove(const TaskSpecPtr& spec, const Action& action);
  void do_cleanup(const TaskSpecPtr& spec, const Action& action);

  const EngineOptions options_;
  TaskStore& store_;
  Host& host_;
  const Report report_;
  const Clock clock_;
  std::uint64_t epoch_ = 0;

  // Of the loop thread.
  std::map<std::string, Entry> entries_;
  std::set<std::string> touched_;
  std::set<std::pair<std::int64_t, std::string>> wakes_;
  std::multimap<std::int64_t, std::string> log_drops_;    // task_id, by time
  std::multimap<std::int64_t, std::string> ended_drops_;
  std::vector<TaskStore::Ended> ended_now_;
  std::vector<std::string> dropped_now_;
  std::vector<Answer> answers_;
  std::int64_t commit_retry_ms_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Message> inbox_;
  std::map<std::string, v1::TaskReport> published_;
  std::map<std::string, TaskSpecPtr> with_devices_;  // of those that are not to be stopped already
  std::set<std::string> ended_;
  bool stopping_ = false;

  std::thread thread_;
  // Last, so that no job outlives what it uses.
  Workers pulls_;
  Workers starts_;
  Workers stops_;
  Workers checks_;
};

}  // namespace berth::runtime
