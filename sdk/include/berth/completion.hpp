// SPDX-License-Identifier: Apache-2.0
// The answer to one call of the host, given once, at any time, from any thread.
//
// Invariants: 1. The first of ok(), fail() and operator() counts, later ones do nothing. 2. When
// the last copy goes without an answer the call ends with BERTH_INTERNAL: none is ever forgotten.
// Threads: any. Valid until: always; after the instance has ended it does nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "berth/detail/link.hpp"
#include "berth/result.hpp"

namespace berth::sdk {

template <typename Response>
class Completion {
 public:
  Completion(std::shared_ptr<detail::Link> link, std::uint64_t operation, std::uint32_t timeout_ms)
      : call_(std::make_shared<Call>(std::move(link), operation, timeout_ms)) {}

  // Ends the call with its result.
  void ok(const Response& response = Response()) const { ok_bytes(response.SerializeAsString()); }

  // Ends the call with bytes that are a serialised Response, as a plugin that passes them on has
  // them: unknown fields stay as they are.
  void ok_bytes(const std::string& payload) const {
    if (payload.size() > BERTH_PAYLOAD_MAX) {
      return fail(sdk::fail(BERTH_INTERNAL, "the answer is larger than 16 MiB"));
    }
    if (call_->answered.exchange(true)) return;
    if (call_->next) return call_->next();
    call_->link->finish(call_->operation, BERTH_OK, payload);
  }

  void fail(const Error& error) const {
    if (!call_->answered.exchange(true)) call_->link->finish(call_->operation, error);
  }

  void operator()(const Result<Response>& result) const {
    result ? ok(result.value()) : fail(result.error());
  }

  // For the SDK: a handle on the same call whose ok() runs `next` instead of ending it.
  [[nodiscard]] Completion then(std::function<void()> next) const {
    Completion first(call_->link, call_->operation, call_->timeout_ms);
    first.call_->next = std::move(next);
    return first;
  }

  // What the host is willing to wait, counted from the call; 0 for no bound.
  [[nodiscard]] std::chrono::milliseconds timeout() const {
    return std::chrono::milliseconds(call_->timeout_ms);
  }

  // Whether the host no longer wants the answer. One is still given.
  [[nodiscard]] bool is_cancelled() const { return call_->link->is_cancelled(call_->operation); }

  // Has `callback` run once if the host cancels the call before it has ended. It must not block.
  void on_cancel(std::function<void()> callback) const {
    call_->link->on_cancel(call_->operation, std::move(callback));
  }

 private:
  struct Call {
    Call(std::shared_ptr<detail::Link> l, std::uint64_t o, std::uint32_t t)
        : link(std::move(l)), operation(o), timeout_ms(t) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (answered) return;
      link->finish(operation, sdk::fail(BERTH_INTERNAL, "the plugin gave no answer"));
    }

    const std::shared_ptr<detail::Link> link;
    const std::uint64_t operation;
    const std::uint32_t timeout_ms;
    std::function<void()> next;
    std::atomic<bool> answered = false;
  };
  std::shared_ptr<Call> call_;
};

}  // namespace berth::sdk
