// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/host_side.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <vector>

#include "berth/v1/launch.pb.h"

namespace berth::plugins {
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

HostSide::HostSide(LibraryPtr library, Instance::Options options)
    : library_(std::move(library)),
      options_(std::move(options)),
      limits_(options_.limits),
      port_(std::make_shared<HostPort>()) {}

Result<void> HostSide::create() {
  port_->connect(shared_from_this());
  const std::string config = options_.config.SerializeAsString();
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
  const std::string name = library_->name().str();
  if (status != BERTH_OK || handle_ == nullptr) disconnect();
  if (status != BERTH_OK) {
    return fail(
        errc_of_status(status),
        "the plugin " + name + " refused to start: " + (words.empty() ? "no reason given" : words),
        Subject::Plugin, name);
  }
  if (handle_ == nullptr) {
    return fail(Errc::Internal, "the plugin " + name + " gave no instance", Subject::Plugin, name);
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
  std::vector<Peer::Done> left;
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
    if (event.done) answer(std::move(event.done), std::move(event.result));
  }
  if (unfinished > 0) {
    write_log(BERTH_LOG_WARN, "fault: destroy left " + std::to_string(unfinished) + " calls open");
  }
  for (Peer::Done& done : left) {
    answer(std::move(done),
           fail(Errc::Cancelled, "the plugin " + library_->name().str() + " was ended",
                Subject::Plugin, library_->name().str()));
  }
}

void HostSide::disconnect() {
  port_->disconnect();
  library_->retire(port_);
}

void HostSide::answer(Peer::Done done, Result<std::string> result) {
  options_.post(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

// The last of a stream must not be overtaken by the answer that ends it.
void HostSide::answer_in_order(Peer::Done done, Result<std::string> result) {
  {
    const std::lock_guard lock(mutex_);
    if (drain_posted_ && !ending_) {
      queue_.push_back({.done = std::move(done), .result = std::move(result)});
      return;
    }
  }
  answer(std::move(done), std::move(result));
}

Error HostSide::error_of(berth_status status, std::string_view payload) const {
  v1::Failure failure;
  if (!failure.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) failure.Clear();
  std::string message = failure.message();
  if (message.empty()) {
    message = "the plugin " + library_->name().str() + " answered " +
              std::string(to_string(errc_of_status(status)));
  }
  return Error{errc_of_status(status),
               std::move(message),
               Subject::Plugin,
               failure.field(),
               {},
               std::chrono::milliseconds(failure.retry_after_ms())};
}

std::uint64_t HostSide::call(std::uint32_t method, std::string request, CallOptions options,
                             Peer::Done done) {
  const auto refuse = [&](Errc code, const std::string& words) -> std::uint64_t {
    answer(std::move(done), fail(code, "the plugin " + library_->name().str() + " " + words,
                                 Subject::Plugin, library_->name().str()));
    return 0;
  };
  if (request.size() > BERTH_PAYLOAD_MAX)
    return refuse(Errc::Invalid, "is asked with more than 16 MiB");
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
  if (over) return refuse(Errc::Cancelled, "was ended");
  if (full) return refuse(Errc::Unavailable, "has too many calls open");
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
  Peer::Done mine;
  bool was_open = false;
  {
    const std::lock_guard lock(mutex_);
    if (auto it = open_.find(operation); it != open_.end()) {
      was_open = true;
      mine = std::move(it->second.done);
      if (it->second.deadline) deadlines_.erase({*it->second.deadline, operation});
      open_.erase(it);
    }
  }
  if (mine) answer(std::move(mine), tl::unexpected(error_of(status, {})));
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
  std::vector<std::pair<std::uint64_t, Peer::Done>> expired;
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
           fail(Errc::Deadline, "the plugin " + library_->name().str() + " did not answer in time",
                Subject::Plugin, library_->name().str()));
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
  Peer::Done done;
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
    answer_in_order(std::move(done), fail(Errc::Internal, "the plugin's answer is too large",
                                          Subject::Plugin, library_->name().str()));
  } else if (status == BERTH_OK) {
    answer_in_order(std::move(done), std::string(view(payload)));
  } else {
    answer_in_order(std::move(done), tl::unexpected(error_of(status, view(payload))));
  }
}

// The pieces of a stream may be of a few bytes each, and many.
std::size_t HostSide::cost_of(const Event& event) {
  return event.payload.size() + (event.id == v1::EVENT_STREAM ? kPieceCost : 0);
}

bool HostSide::take_room(const Event& event) {
  const std::size_t size = cost_of(event);
  if (event.id == v1::EVENT_STREAM) {
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
  if (event.id == v1::EVENT_STREAM) {
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

// ---- To the core, on its loop ----

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
    event.done(std::move(event.result));
  } else if (event.id == v1::EVENT_ASK) {
    if (options_.on_ask) options_.on_ask(event.payload);
  } else if (event.id == v1::EVENT_LAUNCH_INVENTORY) {
    deliver_inventory(std::move(event.payload));
  } else if (options_.on_event) {
    options_.on_event(event.id, event.payload);
  }
}

// Parts of one inventory are put together: joined bytes of messages are the bytes of the joined
// message.
void HostSide::deliver_inventory(std::string payload) {
  v1::InventorySnapshot part;
  if (!part.ParseFromString(payload)) {
    snapshot_.clear();
    return fault(&Faults::unreadable, "an inventory that cannot be read");
  }
  if (snapshot_.size() + payload.size() > limits_.snapshot_bytes) {
    snapshot_.clear();
    return fault(&Faults::oversized, "an inventory beyond the limit");
  }
  if (part.more()) {
    snapshot_ += payload;
    return;
  }
  std::string whole = std::move(snapshot_) + std::move(payload);
  snapshot_.clear();
  if (options_.on_event) options_.on_event(v1::EVENT_LAUNCH_INVENTORY, whole);
}

// What was dropped is asked for again: reports are full states, and with the answer comes a new
// inventory.
void HostSide::resync_if_due(Instant now) {
  {
    const std::lock_guard lock(mutex_);
    if (!missed_ || resyncing_ || ending_ || ended_ || !queue_.empty()) return;
    if (last_resync_ && now - *last_resync_ < limits_.resync_interval) return;
    missed_ = false;
    resyncing_ = true;
    last_resync_ = now;
  }
  snapshot_.clear();
  ask_owned({});
}

void HostSide::ask_owned(const std::string& after) {
  v1::ListOwnedRequest request;
  request.set_after(after);
  call(v1::METHOD_LAUNCH_LIST_OWNED, request.SerializeAsString(),
       {.timeout = std::chrono::seconds(30)},
       [weak = weak_from_this(), after](const Result<std::string>& owned) {
         if (const auto self = weak.lock()) self->on_owned(owned, after);
       });
}

void HostSide::on_owned(const Result<std::string>& answer, const std::string& after) {
  v1::ListOwnedResponse owned;
  std::string last;
  bool readable = answer && owned.ParseFromString(*answer);
  if (readable && owned.more()) {
    if (!owned.tasks().empty()) last = owned.tasks().rbegin()->task_id();
    readable = last > after;
  }
  {
    const std::lock_guard lock(mutex_);
    resyncing_ = readable && owned.more() && !ending_;
    if (ending_) return;
    // A plugin without tasks has nothing to mend.
    if (!answer && is_retryable(answer.error().code)) missed_ = true;
  }
  if (!answer) return;
  if (!readable) return fault(&Faults::unreadable, "an answer to list-owned that cannot be read");
  for (const v1::TaskReport& report : owned.tasks()) {
    if (options_.on_event) options_.on_event(v1::EVENT_LAUNCH_TASK, report.SerializeAsString());
  }
  if (owned.more()) ask_owned(last);
}

}  // namespace berth::plugins
