// SPDX-License-Identifier: Apache-2.0
#include "sdk/loading/host_side.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <vector>

namespace berth::loading {
namespace {

constexpr std::size_t kLineMax = 4096;
constexpr std::size_t kPieceCost = 128;  // memory of a queued piece of a stream beside its bytes

std::string_view view(berth_bytes bytes) {
  return {static_cast<const char*>(bytes.data), bytes.size};
}

bool is_sound(berth_bytes bytes) {
  return bytes.size <= BERTH_PAYLOAD_MAX && (bytes.data != nullptr || bytes.size == 0);
}

// One line, whatever the plugin sent: a log must not be forged by line ends or escapes.
std::string as_line(std::string_view text) {
  std::string line(text.substr(0, kLineMax));
  std::replace_if(
      line.begin(), line.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return line;
}

}  // namespace

HostSide::HostSide(LibraryPtr library, HostOptions options)
    : library_(std::move(library)),
      options_(std::move(options)),
      limits_(options_.limits),
      port_(std::make_shared<HostPort>()) {}

sdk::Result<void> HostSide::create() {
  port_->connect(shared_from_this());
  const std::string& config = options_.config;
  {
    const std::lock_guard lock(mutex_);
    create_words_.emplace();
    log_window_ = options_.now();
  }
  berth_status status = BERTH_INTERNAL;
  try {
    status = library_->table().create(&port_->table(), {config.data(), config.size()}, &handle_);
  } catch (...) {
    handle_ = nullptr;
  }
  std::string words;
  {
    const std::lock_guard lock(mutex_);
    words = std::move(*create_words_);
    create_words_.reset();
    ended_ = status != BERTH_OK;
  }
  const std::string name = library_->name();
  if (status != BERTH_OK || handle_ == nullptr) disconnect();
  if (status != BERTH_OK) {
    return sdk::fail(status, "the plugin " + name + " refused to start: " +
                                 (words.empty() ? "no reason given" : words));
  }
  if (handle_ == nullptr) {
    return sdk::fail(BERTH_INTERNAL, "the plugin " + name + " gave no instance");
  }
  return {};
}

void HostSide::destroy() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  try {
    library_->table().destroy(handle_);
  } catch (...) {
    fault(&Faults::unfinished_calls, "destroy threw");
  }
  disconnect();
  std::vector<Done> left;
  std::deque<Event> undelivered;
  std::size_t unfinished = 0;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    unfinished = open_.size();
    faults_.unfinished_calls += unfinished;
    for (auto& [operation, call] : open_) {
      if (call.done) left.push_back(std::move(call.done));
    }
    open_.clear();
    deadlines_.clear();
    undelivered.swap(queue_);
    queued_events_ = 0;
  }
  for (Event& event : undelivered) {
    if (event.done) answer(std::move(event.done), std::move(event.end));
  }
  if (unfinished > 0) {
    write_log(BERTH_LOG_WARN, "fault: destroy left " + std::to_string(unfinished) + " calls open");
  }
  for (Done& done : left) {
    answer(std::move(done), {BERTH_CANCELLED, {}, "the plugin " + library_->name() + " was ended"});
  }
}

void HostSide::disconnect() {
  port_->disconnect();
  library_->retire(port_);
}

void HostSide::answer(Done done, End end) {
  options_.post([done = std::move(done), end = std::move(end)]() mutable { done(std::move(end)); });
}

// The last of a stream must not be overtaken by the answer that ends it.
void HostSide::answer_in_order(Done done, End end) {
  {
    const std::lock_guard lock(mutex_);
    if (drain_posted_ && !ending_) {
      queue_.push_back({.done = std::move(done), .end = std::move(end)});
      return;
    }
  }
  answer(std::move(done), std::move(end));
}

std::uint64_t HostSide::call(std::uint32_t method, std::string request, CallOptions options,
                             Done done) {
  const auto refuse = [&](berth_status code, const std::string& words) -> std::uint64_t {
    answer(std::move(done), {code, {}, "the plugin " + library_->name() + " " + words});
    return 0;
  };
  if (request.size() > BERTH_PAYLOAD_MAX)
    return refuse(BERTH_INVALID, "is asked with more than 16 MiB");
  std::uint64_t operation = 0;
  bool full = false;
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    full = open_.size() >= limits_.open_calls;
    over = ending_ || ended_;
    if (!full && !over) {
      operation = next_operation_++;
      Open& open = open_[operation];
      open.done = std::move(done);
      if (options.timeout.count() > 0) {
        open.deadline = options_.now() + options.timeout;
        deadlines_.emplace(*open.deadline, operation);
      }
    }
  }
  if (over) return refuse(BERTH_CANCELLED, "was ended");
  if (full) return refuse(BERTH_UNAVAILABLE, "has too many calls open");
  constexpr std::int64_t kTimeoutMax = std::numeric_limits<std::uint32_t>::max();
  const auto timeout_ms =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(options.timeout.count(), 0, kTimeoutMax));
  berth_status status = BERTH_INTERNAL;
  try {
    status = library_->table().call(handle_, method, {request.data(), request.size()}, operation,
                                    timeout_ms);
  } catch (...) {
    status = BERTH_INTERNAL;
  }
  if (status == BERTH_OK) return operation;
  // It never opened. A completion that came all the same has been taken for the answer.
  Done mine;
  bool was_open = false;
  {
    const std::lock_guard lock(mutex_);
    if (auto it = open_.find(operation); it != open_.end()) {
      was_open = true;
      mine = std::move(it->second.done);
      if (it->second.deadline) deadlines_.erase({*it->second.deadline, operation});
      open_.erase(it);
      if (!mine) --overdue_;  // its deadline came while the plugin made up its mind
    }
  }
  if (mine) answer(std::move(mine), {status, {}, {}});
  if (!was_open) {
    fault(&Faults::unknown_completions,
          "it completed a call of method " + std::to_string(method) + " that it refused");
  }
  return 0;
}

void HostSide::cancel(std::uint64_t operation) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || !open_.contains(operation)) return;
  }
  library_->table().cancel(handle_, operation);
}

void HostSide::set_active() {
  const std::lock_guard lock(mutex_);
  active_ = true;
}

void HostSide::sweep(Instant now) {
  std::vector<std::pair<std::uint64_t, Done>> expired;
  std::size_t lines = 0;
  {
    const std::lock_guard lock(mutex_);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const std::uint64_t operation = deadlines_.begin()->second;
      deadlines_.erase(deadlines_.begin());
      Open& open = open_.at(operation);
      open.deadline.reset();
      ++overdue_;
      expired.emplace_back(operation, std::exchange(open.done, nullptr));
    }
    if (now - log_window_ >= std::chrono::seconds(1)) {
      log_window_ = now;
      log_lines_ = 0;
      lines = std::exchange(log_dropped_, 0);
    }
  }
  if (lines > 0)
    write_log(BERTH_LOG_WARN, std::to_string(lines) + " lines of its log were dropped");
  for (auto& [operation, done] : expired) {
    library_->table().cancel(handle_, operation);
    answer(std::move(done),
           {BERTH_DEADLINE, {}, "the plugin " + library_->name() + " did not answer in time"});
  }
  resync_if_due(now);
}

std::optional<Instant> HostSide::next_sweep() const {
  const std::lock_guard lock(mutex_);
  std::optional<Instant> next;
  const auto at = [&](Instant when) { next = next ? std::min(*next, when) : when; };
  if (!deadlines_.empty()) at(deadlines_.begin()->first);
  if (log_dropped_ > 0) at(log_window_ + std::chrono::seconds(1));
  if (missed_ && !resyncing_ && last_resync_) at(*last_resync_ + limits_.resync_interval);
  return next;
}

Faults HostSide::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

std::size_t HostSide::calls_overdue() const {
  const std::lock_guard lock(mutex_);
  return overdue_;
}

void HostSide::fault(std::uint64_t Faults::*count, const std::string& words) {
  {
    const std::lock_guard lock(mutex_);
    ++(faults_.*count);
  }
  write_log(BERTH_LOG_WARN, "fault: " + words);
}

// ---- From the plugin, on its threads ----

void HostSide::log(std::int32_t level, berth_bytes message) {
  if (!is_sound(message)) return fault(&Faults::oversized, "a log line beyond 16 MiB");
  write_log(level, view(message));
}

void HostSide::complete(std::uint64_t operation, berth_status status, berth_bytes payload) {
  const bool sound = is_sound(payload);
  Done done;
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    if (auto it = open_.find(operation); it != open_.end()) {
      known = true;
      done = std::move(it->second.done);
      if (it->second.deadline) deadlines_.erase({*it->second.deadline, operation});
      open_.erase(it);
      if (!done) {
        --overdue_;
        ++faults_.late_completions;
      }
    }
  }
  if (!known) {
    return fault(&Faults::unknown_completions,
                 "it completed operation " + std::to_string(operation) + ", which is not open");
  }
  if (!sound) fault(&Faults::oversized, "an answer beyond 16 MiB");
  if (!done) return;
  if (!sound) {
    answer_in_order(std::move(done), {BERTH_INTERNAL, {}, "the plugin's answer is too large"});
  } else {
    answer_in_order(std::move(done), {status, std::string(view(payload)), {}});
  }
}

// The pieces of a stream may be of a few bytes each, and many.
std::size_t HostSide::cost_of(const Event& event) {
  return event.payload.size() + (event.id == kStreamEvent ? kPieceCost : 0);
}

bool HostSide::take_room(const Event& event) {
  const std::size_t size = cost_of(event);
  if (event.id == kStreamEvent) {
    if (stream_bytes_ + size > limits_.stream_bytes) return false;
    stream_bytes_ += size;
  } else {
    if (queued_events_ >= limits_.events || event_bytes_ + size > limits_.event_bytes) return false;
    event_bytes_ += size;
    ++queued_events_;
  }
  return true;
}

void HostSide::give_room(const Event& event) {
  if (event.done) return;
  if (event.id == kStreamEvent) {
    stream_bytes_ -= cost_of(event);
  } else {
    event_bytes_ -= cost_of(event);
    --queued_events_;
  }
}

void HostSide::emit(std::uint32_t id, berth_bytes payload) {
  if (!is_sound(payload)) return fault(&Faults::oversized, "an event beyond 16 MiB");
  Event event{id, std::string(view(payload))};
  bool unasked = false;
  bool first_drop = false;
  bool post = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || !active_) {
      unasked = true;
    } else if (!ending_) {
      if (take_room(event)) {
        queue_.push_back(std::move(event));
      } else {
        ++faults_.dropped_events;
        first_drop = !std::exchange(missed_, true);
      }
      post = !std::exchange(drain_posted_, true);
    }
  }
  if (unasked) {
    return fault(&Faults::early_or_late_events,
                 "event " + std::to_string(id) + " outside of its active life");
  }
  if (first_drop) write_log(BERTH_LOG_WARN, "fault: it floods its host; events are dropped");
  if (post) options_.post([self = shared_from_this()] { self->drain(); });
}

void HostSide::write_log(std::int32_t level, std::string_view text) {
  const std::string line = as_line(text);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (create_words_ && level >= BERTH_LOG_ERROR) {
      *create_words_ += (create_words_->empty() ? "" : "; ") + line;
    }
    if (log_lines_ >= limits_.log_lines_per_second) {
      ++faults_.dropped_log_lines;
      wake = log_dropped_++ == 0;
    } else {
      ++log_lines_;
    }
    if (log_dropped_ > 0 && !wake) return;
  }
  // The loop sweeps after each piece of work, and learns when the next second begins.
  if (wake) return options_.post([] {});
  options_.log(std::clamp<std::int32_t>(level, BERTH_LOG_DEBUG, BERTH_LOG_ERROR), line);
}

// ---- To the owner, on its loop ----

void HostSide::drain() {
  for (std::size_t i = 0; i < limits_.events_per_turn; ++i) {
    Event event;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty() || ending_) {
        drain_posted_ = false;
        break;
      }
      event = std::move(queue_.front());
      queue_.pop_front();
      give_room(event);
    }
    deliver(std::move(event));
  }
  bool again = false;
  {
    const std::lock_guard lock(mutex_);
    again = drain_posted_;
  }
  if (again) return options_.post([self = shared_from_this()] { self->drain(); });
  resync_if_due(options_.now());
}

void HostSide::deliver(Event event) {
  if (event.done) {
    event.done(std::move(event.end));
  } else if (options_.on_event) {
    options_.on_event(event.id, std::move(event.payload));
  }
}

void HostSide::resync_if_due(Instant now) {
  {
    const std::lock_guard lock(mutex_);
    if (!missed_ || resyncing_ || ending_ || ended_ || !queue_.empty()) return;
    if (last_resync_ && now - *last_resync_ < limits_.resync_interval) return;
    missed_ = false;
    resyncing_ = true;
    last_resync_ = now;
  }
  options_.on_gap();
}

void HostSide::mended(bool again) {
  const std::lock_guard lock(mutex_);
  resyncing_ = false;
  if (again) missed_ = true;
}

bool HostSide::is_ending() const {
  const std::lock_guard lock(mutex_);
  return ending_;
}

}  // namespace berth::loading
