// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/logship/log_forwarder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/logship/shipped_log.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kShipment = "shipment";
constexpr const char* kEnded = "ended";
constexpr std::chrono::milliseconds kBetweenFiles{10};  // a log that is being rotated has no file for a moment

}  // namespace

class LogForwarder::Impl {
 public:
  Impl(LogOutside outside, unsigned threads)
      : outside_(std::move(outside)),
        threads_(std::max(1U, threads)),
        inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!outside_.http) outside_.http = std::make_shared<http::Client>();
    if (!outside_.aws_credentials) outside_.aws_credentials = aws_credentials_of_environment;
    watcher_ = std::thread([this] { watch(); });
    for (unsigned i = 0; i < threads_; ++i) workers_.emplace_back([this] { work(); });
  }
  ~Impl() { stop(); }

  void resume(const fs::path& logs);
  sdk::Result<void> begin(const fs::path& log, const LogShipment& shipment, std::stop_token cancel);
  void end(const fs::path& log);
  bool await_sent(const fs::path& log, std::chrono::milliseconds patience, std::stop_token cancel);
  void give_up(const fs::path& log);
  void drop(const fs::path& directory);
  std::optional<Counts> counts(const fs::path& log) const;
  void stop();

 private:
  struct Entry {
    Entry(const fs::path& log, std::unique_ptr<LogSink> sink)
        : receiver(sink->receiver()), shipped(log, std::move(sink)) {}
    const std::string receiver;
    ShippedLog shipped;   // of the worker that has it
    Counts counts;        // as it last was
    bool running = false;
    bool again = false;   // something came while it ran
    bool ended = false;
    bool dropped = false;
    bool waits = false;   // for its receiver
    std::optional<Clock::time_point> due;
  };
  using EntryPtr = std::shared_ptr<Entry>;
  // Those that send to one receiver share its fate: while it fails, one of them tries at a time.
  struct Receiver {
    unsigned logs = 0;  // that are sent to it
    unsigned running = 0;
    bool failing = false;
    std::deque<EntryPtr> waiting;  // due, for a place
  };

  void add(const fs::path& log, std::unique_ptr<LogSink> sink);
  void schedule(const EntryPtr& entry, Clock::time_point due);
  void work();
  [[nodiscard]] bool has_room(const Receiver& receiver) const;
  void leave(const EntryPtr& entry, bool was_doubtful);
  void forget(const Entry& entry);
  void call_next(Receiver& receiver);
  void settle(const EntryPtr& entry, ShippedLog::Next next);
  void arm(const EntryPtr& entry);
  void watch();
  void take_events();

  LogOutside outside_;
  const unsigned threads_;
  const OwnedFd inotify_;
  const OwnedFd wake_;
  std::stop_source stopping_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable_any gone_;         // an entry went
  std::map<std::string, EntryPtr> entries_;  // by the log's path
  std::multimap<Clock::time_point, EntryPtr> queue_;
  std::map<std::string, Receiver> receivers_;  // of all entries
  unsigned failing_running_ = 0;               // of all receivers that fail
  std::map<int, std::weak_ptr<Entry>> armed_;  // by watch descriptor
  std::thread watcher_;
  std::vector<std::thread> workers_;
};

void LogForwarder::Impl::resume(const fs::path& logs) {
  std::error_code error;
  for (const auto& task : fs::directory_iterator(logs, error)) {
    for (const auto& container : fs::directory_iterator(task.path(), error)) {
      const auto bytes = state::read_file(container.path() / kShipment);
      if (!bytes) continue;
      LogShipment shipment;
      auto sink = shipment.ParseFromString(*bytes)
                      ? make_log_sink(shipment, outside_)
                      : sdk::Result<std::unique_ptr<LogSink>>(sdk::fail(BERTH_INTERNAL, "its record cannot be read"));
      if (!sink) {
        spdlog::error("logs: {} is not sent any more: {}", container.path().string(), sink.error().message);
        continue;
      }
      add(container.path() / "json.log", std::move(*sink));
    }
  }
}

sdk::Result<void> LogForwarder::Impl::begin(const fs::path& log, const LogShipment& shipment, std::stop_token cancel) {
  {
    const std::lock_guard lock(mutex_);
    if (entries_.contains(log.string())) return {};
  }
  auto sink = make_log_sink(shipment, outside_);
  if (!sink) return sink.error();
  if (auto there = (*sink)->prepare(cancel); !there) return there;
  // It exists before anybody writes to it, so that it can be watched.
  const OwnedFd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!file || !state::write_file(log.parent_path() / kShipment, shipment.SerializeAsString(), state::Sync::Yes)) {
    return sdk::fail(BERTH_INTERNAL, "cannot write " + log.parent_path().string());
  }
  add(log, std::move(*sink));
  return {};
}

void LogForwarder::Impl::add(const fs::path& log, std::unique_ptr<LogSink> sink) {
  auto entry = std::make_shared<Entry>(log, std::move(sink));
  entry->ended = fs::exists(log.parent_path() / kEnded);
  const std::lock_guard lock(mutex_);
  if (!entries_.emplace(log.string(), entry).second) return;
  ++receivers_[entry->receiver].logs;
  schedule(entry, Clock::now());
}

void LogForwarder::Impl::end(const fs::path& log) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(log.string());
  if (found == entries_.end()) return;
  (void)state::write_file(log.parent_path() / kEnded, "");
  found->second->ended = true;
  schedule(found->second, Clock::now());
}

void LogForwarder::Impl::drop(const fs::path& directory) {
  const std::lock_guard lock(mutex_);
  const std::string prefix = directory.string() + "/";
  std::erase_if(entries_, [&](const auto& entry) {
    if (!entry.first.starts_with(prefix)) return false;
    entry.second->dropped = true;
    forget(*entry.second);
    return true;
  });
}

bool LogForwarder::Impl::await_sent(const fs::path& log, std::chrono::milliseconds patience, std::stop_token cancel) {
  std::unique_lock lock(mutex_);
  return gone_.wait_for(lock, std::move(cancel), patience, [&] { return !entries_.contains(log.string()); });
}

void LogForwarder::Impl::give_up(const fs::path& log) {
  const std::lock_guard lock(mutex_);
  // Also where an earlier forwarder began it and this one has not: the file is what counts.
  if (::unlink((log.parent_path() / kShipment).c_str()) == 0) {
    spdlog::warn("logs: {} is not sent any more: its receiver has gone", log.parent_path().string());
  }
  const auto found = entries_.find(log.string());
  if (found == entries_.end()) return;
  found->second->dropped = true;
  forget(*found->second);
  entries_.erase(found);
}

// With the lock; once for each entry that goes.
void LogForwarder::Impl::forget(const Entry& entry) {
  gone_.notify_all();
  const auto at = receivers_.find(entry.receiver);
  if (--at->second.logs == 0 && at->second.running == 0) receivers_.erase(at);
}

std::optional<LogForwarder::Counts> LogForwarder::Impl::counts(const fs::path& log) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(log.string());
  if (found == entries_.end()) return std::nullopt;
  return found->second->counts;
}

void LogForwarder::Impl::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.request_stop();
  }
  changed_.notify_all();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  if (watcher_.joinable()) watcher_.join();
  for (auto& worker : workers_) {
    if (worker.joinable()) worker.join();
  }
}

// With the lock. The earlier of two times counts.
void LogForwarder::Impl::schedule(const EntryPtr& entry, Clock::time_point due) {
  if (entry->running) {
    entry->again = true;
    return;
  }
  if (entry->due) {
    if (*entry->due <= due) return;
    const auto [first, last] = queue_.equal_range(*entry->due);
    for (auto at = first; at != last; ++at) {
      if (at->second != entry) continue;
      queue_.erase(at);
      break;
    }
  }
  entry->due = due;
  queue_.emplace(due, entry);
  changed_.notify_one();
}

void LogForwarder::Impl::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping_.stop_requested()) return;
    if (queue_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto due = queue_.begin()->first;
    if (due > Clock::now()) {
      changed_.wait_until(lock, due);
      continue;
    }
    const EntryPtr entry = queue_.begin()->second;
    queue_.erase(queue_.begin());
    entry->due.reset();
    if (entry->dropped) {
      if (const auto at = receivers_.find(entry->receiver); at != receivers_.end()) call_next(at->second);
      continue;
    }
    Receiver& receiver = receivers_.at(entry->receiver);
    if (!has_room(receiver)) {
      if (!std::exchange(entry->waits, true)) receiver.waiting.push_back(entry);
      continue;
    }
    ++receiver.running;
    const bool doubtful = receiver.failing;
    if (doubtful) ++failing_running_;
    entry->running = true;
    entry->again = false;
    const bool ended = entry->ended;
    lock.unlock();
    const auto next = entry->shipped.pump(ended, stopping_.get_token());
    lock.lock();
    entry->running = false;
    leave(entry, doubtful);
    settle(entry, next);
  }
}

// With the lock. Each attempt at a receiver that does not answer takes as long as its timeout: some thread is always left for the
// others.
bool LogForwarder::Impl::has_room(const Receiver& receiver) const {
  const unsigned most = std::max(1U, threads_ - 1);
  if (receiver.failing) return receiver.running == 0 && failing_running_ < most;
  return receiver.running < most;
}

// With the lock.
void LogForwarder::Impl::leave(const EntryPtr& entry, bool was_doubtful) {
  Receiver& receiver = receivers_.at(entry->receiver);
  --receiver.running;
  receiver.failing = entry->shipped.failing();
  call_next(receiver);
  if (was_doubtful) {
    --failing_running_;
    for (auto& [name, other] : receivers_) {
      if (other.failing && other.running == 0) call_next(other);
    }
  }
  if (receiver.running == 0 && receiver.logs == 0) receivers_.erase(entry->receiver);
}

// With the lock. Those that wait look again whether there is room: all of them, or the first where one at a time tries.
void LogForwarder::Impl::call_next(Receiver& receiver) {
  while (!receiver.waiting.empty()) {
    const EntryPtr next = std::move(receiver.waiting.front());
    receiver.waiting.pop_front();
    next->waits = false;
    if (next->dropped) continue;
    schedule(next, Clock::now());
    if (receiver.failing) return;
  }
}

void LogForwarder::Impl::settle(const EntryPtr& entry, ShippedLog::Next next) {
  using Next = ShippedLog::Next;
  entry->counts = entry->shipped.counts();
  if (entry->dropped) return;
  const fs::path& log = entry->shipped.log();
  switch (next) {
    case Next::Done:
      ::unlink((log.parent_path() / kShipment).c_str());
      entries_.erase(log.string());
      return forget(*entry);
    case Next::More: return schedule(entry, Clock::now());
    // Whatever has come meanwhile waits for the same receiver.
    case Next::Later: return schedule(entry, Clock::now() + entry->shipped.pause());
    case Next::Drained:
      if (entry->again) return schedule(entry, Clock::now() + entry->shipped.sink().linger());
      return arm(entry);
  }
}

// With the lock. Tells once when the log grows or is rotated.
void LogForwarder::Impl::arm(const EntryPtr& entry) {
  const fs::path& log = entry->shipped.log();
  const int watch =
      ::inotify_add_watch(inotify_.get(), log.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB | IN_ONESHOT);
  if (watch < 0) return schedule(entry, Clock::now() + kBetweenFiles);
  armed_[watch] = entry;
  // What was written between the last read and the watch.
  if (state::facts_of(log.string()) == entry->shipped.seen()) return;
  armed_.erase(watch);
  ::inotify_rm_watch(inotify_.get(), watch);
  schedule(entry, Clock::now() + entry->shipped.sink().linger());
}

void LogForwarder::Impl::watch() {
  pollfd polled[] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  while (!stopping_.stop_requested()) {
    ::poll(polled, 2, -1);
    take_events();
  }
}

void LogForwarder::Impl::take_events() {
  alignas(inotify_event) char buffer[16 * 1024];
  const ssize_t got = ::read(inotify_.get(), buffer, sizeof buffer);
  const std::lock_guard lock(mutex_);
  for (ssize_t at = 0; at < got;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    const auto found = armed_.find(event->wd);
    if (found == armed_.end()) continue;
    if (const EntryPtr entry = found->second.lock()) schedule(entry, Clock::now() + entry->shipped.sink().linger());
    armed_.erase(found);
  }
}

LogForwarder::LogForwarder(LogOutside outside, unsigned threads) : impl_(std::make_unique<Impl>(std::move(outside), threads)) {}
LogForwarder::~LogForwarder() = default;
void LogForwarder::resume(const fs::path& logs) { impl_->resume(logs); }
sdk::Result<void> LogForwarder::begin(const fs::path& log, const LogShipment& shipment, std::stop_token cancel) {
  return impl_->begin(log, shipment, std::move(cancel));
}
void LogForwarder::end(const fs::path& log) { impl_->end(log); }
bool LogForwarder::await_sent(const fs::path& log, std::chrono::milliseconds patience, std::stop_token cancel) {
  return impl_->await_sent(log, patience, std::move(cancel));
}
void LogForwarder::give_up(const fs::path& log) { impl_->give_up(log); }
void LogForwarder::drop(const fs::path& directory) { impl_->drop(directory); }
std::optional<LogForwarder::Counts> LogForwarder::counts(const fs::path& log) const { return impl_->counts(log); }
void LogForwarder::stop() { impl_->stop(); }

}  // namespace berth::runtime
