// SPDX-License-Identifier: Apache-2.0
// One instance's line to its host: open operations, questions and streams.
//
// Invariants: 1. Each operation that open() took completes exactly once, at the latest in close().
// 2. After close() the host is never called again, whoever still holds the link.
// 3. No lock is held while the host or code of the plugin runs.
// Threads: any, but begin_close() and close(): one at a time, by destroy.
// Valid until: shared by every handle of the instance; the host's table only until close().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "berth/detail/gate.hpp"
#include "berth/plugin_abi.h"
#include "berth/result.hpp"
#include "berth/v1/plugin.pb.h"

namespace berth::sdk::detail {

[[nodiscard]] inline berth_bytes bytes_of(std::string_view text) {
  return berth_bytes{text.data(), text.size()};
}

// The payload of a failed completion, and back.
[[nodiscard]] inline std::string encode_failure(const Error& error) {
  v1::Failure failure;
  failure.set_message(error.message);
  failure.set_field(error.field);
  failure.set_reason(error.reason);
  failure.set_retry_after_ms(error.retry_after_ms);
  return failure.SerializeAsString();
}
[[nodiscard]] inline Error decode_failure(berth_status status, const std::string& payload) {
  v1::Failure failure;
  if (!failure.ParseFromString(payload)) failure.Clear();
  return Error{status, failure.message(), failure.field(), failure.reason(),
               failure.retry_after_ms()};
}

// What a stream takes from the host (stream.hpp).
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // Raw StreamWrite bytes. Errors: BERTH_NO_CAPACITY where too much lies unread, BERTH_INVALID.
  virtual berth_status on_write(std::string_view payload) = 0;
  virtual void on_credit(std::uint32_t bytes) = 0;
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  using AskCallback = std::function<void(Result<std::string>)>;

  Link(const berth_host* host, v1::PluginConfig config) : host_(host), config_(std::move(config)) {}

  [[nodiscard]] const v1::PluginConfig& config() const { return config_; }

  // ---- Operations ----

  // False where the number is open already or the instance is ending.
  [[nodiscard]] bool open(std::uint64_t operation) {
    const std::lock_guard lock(mutex_);
    return !closing_ && operations_.try_emplace(operation).second;
  }

  // Completes the operation. False, and nothing else, where it is not open.
  bool finish(std::uint64_t operation, berth_status status, std::string_view payload) {
    if (!gate_.enter()) return false;
    bool was_open = false;
    {
      Cancels unused;  // destroyed after the lock is released
      const std::lock_guard lock(mutex_);
      if (auto it = operations_.find(operation); it != operations_.end()) {
        unused = std::move(it->second.on_cancel);
        operations_.erase(it);
        was_open = true;
      }
    }
    if (was_open) host_->complete(host_->context, operation, status, bytes_of(payload));
    gate_.leave();
    return was_open;
  }

  // Completes with an error. Words that are too long for a payload are left out.
  bool finish(std::uint64_t operation, const Error& error) {
    std::string payload = encode_failure(error);
    if (payload.size() > BERTH_PAYLOAD_MAX) payload.clear();
    return finish(operation, error.status == BERTH_OK ? BERTH_INTERNAL : error.status, payload);
  }

  void cancel(std::uint64_t operation) {
    Cancels callbacks;
    {
      const std::lock_guard lock(mutex_);
      const auto it = operations_.find(operation);
      if (it == operations_.end()) return;
      it->second.cancelled = true;
      callbacks = std::exchange(it->second.on_cancel, {});
    }
    for (auto& callback : callbacks) run(callback);
  }

  [[nodiscard]] bool is_cancelled(std::uint64_t operation) {
    const std::lock_guard lock(mutex_);
    const auto it = operations_.find(operation);
    return it == operations_.end() || it->second.cancelled;
  }

  // Runs `callback` once if the operation is cancelled while open; at once if it has been.
  void on_cancel(std::uint64_t operation, std::function<void()> callback) {
    {
      const std::lock_guard lock(mutex_);
      const auto it = operations_.find(operation);
      if (it == operations_.end()) return;
      if (!it->second.cancelled) {
        it->second.on_cancel.push_back(std::move(callback));
        return;
      }
    }
    run(callback);
  }

  // ---- Events and questions ----

  void set_active() { active_ = true; }

  // Errors: Precondition before activate, Invalid for a payload beyond BERTH_PAYLOAD_MAX.
  Result<void> emit(std::uint32_t event, std::string_view payload) {
    if (!active_) return fail(BERTH_PRECONDITION, "event before activate");
    if (payload.size() > BERTH_PAYLOAD_MAX) return fail(BERTH_INVALID, "event beyond 16 MiB");
    if (!gate_.enter()) return fail(BERTH_CANCELLED, "the instance has ended");
    host_->emit(host_->context, event, bytes_of(payload));
    gate_.leave();
    return {};
  }

  void log(std::int32_t level, std::string_view line) {
    if (!gate_.enter()) return;
    host_->log(host_->context, level, bytes_of(line.substr(0, kLogMax)));
    gate_.leave();
  }

  // Sends the question; `callback` is called once: with the answer, or with Cancelled when the
  // instance ends.
  void ask(v1::Ask question, AskCallback callback) {
    const std::uint64_t id = next_ask_.fetch_add(1);
    {
      const std::lock_guard lock(mutex_);
      if (!closing_) asks_.emplace(id, std::move(callback));
    }
    if (callback) return callback(fail(BERTH_CANCELLED, "the instance is ending"));
    question.set_ask_id(id);
    if (auto sent = emit(v1::EVENT_ASK, question.SerializeAsString()); !sent) {
      if (AskCallback mine = take_ask(id)) mine(sent.error());
    }
  }

  berth_status answer(const v1::Answer& answer) {
    AskCallback callback = take_ask(answer.ask_id());
    if (!callback) return BERTH_NOT_FOUND;
    if (answer.status() == BERTH_OK) {
      callback(answer.response());
    } else {
      callback(decode_failure(answer.status(), answer.response()));
    }
    return BERTH_OK;
  }

  // ---- Streams ----

  void add_stream(std::uint64_t id, std::weak_ptr<StreamSink> sink) {
    const std::lock_guard lock(mutex_);
    streams_[id] = std::move(sink);
  }
  void remove_stream(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    streams_.erase(id);
  }
  [[nodiscard]] std::shared_ptr<StreamSink> stream(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : it->second.lock();
  }

  // ---- The end ----

  // Takes no new operation, cancels the open ones, and answers open questions with Cancelled.
  void begin_close() {
    std::vector<std::uint64_t> open;
    std::map<std::uint64_t, AskCallback> asks;
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      for (const auto& [id, operation] : operations_) open.push_back(id);
      asks = std::exchange(asks_, {});
    }
    for (const std::uint64_t id : open) cancel(id);
    for (auto& [id, callback] : asks) {
      run([&] { callback(fail(BERTH_CANCELLED, "the instance is ending")); });
    }
  }

  // Completes what is still open, and waits until no thread is inside the host.
  void close() {
    std::vector<std::uint64_t> open;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, operation] : operations_) open.push_back(id);
    }
    for (const std::uint64_t id : open) finish(id, fail(BERTH_CANCELLED, "the plugin was ended"));
    gate_.close();
  }

 private:
  using Cancels = std::vector<std::function<void()>>;
  struct Operation {
    bool cancelled = false;
    Cancels on_cancel;
  };
  static constexpr std::size_t kLogMax = 8 * 1024;

  [[nodiscard]] AskCallback take_ask(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto it = asks_.find(id);
    if (it == asks_.end()) return nullptr;
    AskCallback callback = std::move(it->second);
    asks_.erase(it);
    return callback;
  }

  // A callback of the plugin that throws is its bug, and must not keep the others from running.
  template <typename Callback>
  void run(const Callback& callback) {
    try {
      callback();
    } catch (...) {
      log(BERTH_LOG_ERROR, "a callback of the plugin threw an exception");
    }
  }

  const berth_host* const host_;
  const v1::PluginConfig config_;
  Gate gate_;
  std::atomic<bool> active_ = false;
  std::atomic<std::uint64_t> next_ask_ = 1;
  std::mutex mutex_;
  bool closing_ = false;
  std::unordered_map<std::uint64_t, Operation> operations_;
  std::map<std::uint64_t, AskCallback> asks_;
  std::unordered_map<std::uint64_t, std::weak_ptr<StreamSink>> streams_;
};

}  // namespace berth::sdk::detail
