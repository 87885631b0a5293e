// SPDX-License-Identifier: Apache-2.0
// What a log driver sends: whole lines, or several that belong together, made of the records of a log.
//
// Invariant: `safe` of an event is a position behind which nothing is that was not in this event or one before it, so a reader that starts there
// again loses nothing; it repeats something only where two streams were in the middle of a line at once.
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/runtime/log/json_log.hpp"

namespace berth::runtime {

struct LogEvent {
  std::int64_t time_ns = 0;  // of its first record
  LogStream stream = LogStream::Stdout;
  std::string text;          // without the last line end
  LogPosition safe;
};

class EventAssembler {
 public:
  // Whether a line begins a new event; empty: each does. An event that would get longer than `max_bytes` ends there.
  using Begins = std::function<bool(std::string_view)>;
  explicit EventAssembler(std::size_t max_bytes, Begins begins = {}) : max_bytes_(max_bytes), begins_(std::move(begins)) {}

  // One record, which stands between the two positions. Appends the events that are whole now.
  void take(LogRecord record, const LogPosition& before, const LogPosition& after, std::vector<LogEvent>& out);
  // What waits for more, as it is.
  void flush(std::vector<LogEvent>& out);
  [[nodiscard]] bool holds_something() const { return open_[0].used || open_[1].used; }

 private:
  struct Open {
    bool used = false;
    bool in_line = false;  // the last record of it was part of a line
    LogEvent event;
    LogPosition before;
    std::uint64_t order = 0;
  };
  void emit(Open& open, std::vector<LogEvent>& out);
  [[nodiscard]] LogPosition safe() const;

  const std::size_t max_bytes_;
  const Begins begins_;
  std::array<Open, 2> open_;  // by stream
  LogPosition after_;
  std::uint64_t count_ = 0;
};

}  // namespace berth::runtime
