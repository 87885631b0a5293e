// SPDX-License-Identifier: Apache-2.0
// The host that a plugin under check meets: it believes nothing and writes down everything.
//
// Threads: any. Outlives every instance made with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "berth/plugin_abi.h"

namespace berth::check {

struct End {
  int times = 0;  // 1 is right
  berth_status status = BERTH_OK;
  std::string payload;
};

struct Event {
  std::uint32_t id = 0;
  std::string payload;
};

class Host {
 public:
  Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] const berth_host* table() const { return &table_; }

  [[nodiscard]] End end_of(std::uint64_t operation) const;
  [[nodiscard]] std::map<std::uint64_t, End> ends() const;
  [[nodiscard]] std::vector<Event> events() const;
  [[nodiscard]] std::string log() const;
  // What broke the rules by itself: payloads too large or null. Empty where nothing did.
  [[nodiscard]] std::string fault() const;

  // Waits until `done` holds, checked after each call of the plugin. False where `timeout` came
  // first.
  bool wait(std::chrono::milliseconds timeout, const std::function<bool(const Host&)>& done) const;

 private:
  void complete(std::uint64_t operation, berth_status status, berth_bytes payload);
  void emit(std::uint32_t event, berth_bytes payload);
  void write(berth_bytes message);
  [[nodiscard]] std::string copy(berth_bytes bytes, const char* what);

  const berth_host table_;
  mutable std::recursive_mutex mutex_;  // `done` of wait() looks at us
  mutable std::condition_variable_any changed_;
  std::map<std::uint64_t, End> ends_;
  std::vector<Event> events_;
  std::string log_;
  std::string fault_;
};

}  // namespace berth::check
