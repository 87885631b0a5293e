// SPDX-License-Identifier: Apache-2.0
// A plugin in the test's own code: a table whose functions do what the test says, on the test's
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/plugins/instance.hpp"

namespace berth::plugins {

// One at a time: C functions have no other way to find their test.
struct FakePlugin {
  FakePlugin() { current = this; }
  ~FakePlugin() { current = nullptr; }
  FakePlugin(const FakePlugin&) = delete;
  FakePlugin& operator=(const FakePlugin&) = delete;

  struct Call {
    std::uint32_t method = 0;
    std::string request;
    std::uint64_t operation = 0;
    std::uint32_t timeout_ms = 0;
  };

  void complete(std::uint64_t operation, berth_status status = BERTH_OK,
                std::string_view payload = {}) const {
    host->complete(host->context, operation, status, {payload.data(), payload.size()});
  }
  void emit(std::uint32_t event, std::string_view payload = {}) const {
    host->emit(host->context, event, {payload.data(), payload.size()});
  }
  void log(std::int32_t level, std::string_view line) const {
    host->log(host->context, level, {line.data(), line.size()});
  }

  [[nodiscard]] const berth_plugin& table() {
    static const berth_plugin kTable{
        sizeof(berth_plugin),
        BERTH_ABI_MAJOR,
        BERTH_ABI_MINOR,
        "fake",
        "1.0",
        [](const berth_host* host, berth_bytes, void** instance) -> berth_status {
          current->host = host;
          if (current->on_create) current->on_create();
          if (current->create_status == BERTH_OK) *instance = current;
          return current->create_status;
        },
        [](void* self, std::uint32_t method, berth_bytes request, std::uint64_t operation,
           std::uint32_t timeout_ms) -> berth_status {
          auto& fake = *static_cast<FakePlugin*>(self);
          fake.calls.push_back({method,
                                {static_cast<const char*>(request.data), request.size},
                                operation,
                                timeout_ms});
          return fake.on_call ? fake.on_call(fake.calls.back()) : BERTH_OK;
        },
        [](void* self, std::uint64_t operation) {
          static_cast<FakePlugin*>(self)->cancelled.push_back(operation);
        },
        [](void* self) {
          auto& fake = *static_cast<FakePlugin*>(self);
          if (fake.on_destroy) fake.on_destroy();
        }};
    return kTable;
  }

  static inline FakePlugin* current = nullptr;
  const berth_host* host = nullptr;
  berth_status create_status = BERTH_OK;
  std::function<void()> on_create;
  std::function<berth_status(const Call&)> on_call;
  std::function<void()> on_destroy;
  std::deque<Call> calls;
  std::vector<std::uint64_t> cancelled;
};

// The core's side: a loop that runs when it is told, a clock that stands.
struct FakeCore {
  Result<std::shared_ptr<Instance>> create(FakePlugin& plugin, Limits limits = {}) {
    library = std::make_shared<const loading::Library>("/fake.so", plugin.table(), nullptr);
    return Instance::create(
        library,
        {.config = {},
         .post = [this](std::function<void()> work) { queue.push_back(std::move(work)); },
         .now = [this] { return now; },
         .on_event = [this](std::uint32_t event,
                            std::string_view payload) { events.emplace_back(event, payload); },
         .on_ask = [this](std::string_view ask) { asks.emplace_back(ask); },
         .log = [this](std::int32_t, std::string_view line) { lines.emplace_back(line); },
         .limits = limits});
  }
  // Turns until nothing is queued; gives the number of pieces of work.
  int run() {
    int count = 0;
    for (; !queue.empty(); ++count) {
      auto work = std::move(queue.front());
      queue.pop_front();
      work();
    }
    return count;
  }

  Instant now{std::chrono::seconds(1000)};
  LibraryPtr library;
  std::deque<std::function<void()>> queue;
  std::vector<std::pair<std::uint32_t, std::string>> events;
  std::vector<std::string> asks;
  std::vector<std::string> lines;
};

}  // namespace berth::plugins
