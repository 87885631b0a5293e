// SPDX-License-Identifier: Apache-2.0
// One log on its way: read, made into events, sent, and noted how far. Private to the forwarder.
//
// Threads: one at a time, except for what is marked.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "sdk/runtime/log/json_log.hpp"
#include "sdk/runtime/logship/log_forwarder.hpp"

namespace berth::runtime {

class ShippedLog {
 public:
  enum class Next {
    Drained,  // all that was there is sent
    More,     // there is more to do at once
    Later,    // after pause()
    Done,     // all is sent, and nothing more will come
  };

  ShippedLog(std::filesystem::path log, std::unique_ptr<LogSink> sink);

  // Sends some of what is there. With `ended`, nothing more is written.
  Next pump(bool ended, std::stop_token cancel);
  [[nodiscard]] std::chrono::milliseconds pause() const { return pause_; }
  // Whether the last attempt to send failed.
  [[nodiscard]] bool failing() const { return failures_ > 0; }
  [[nodiscard]] const LogForwarder::Counts& counts() const { return counts_; }
  [[nodiscard]] const std::filesystem::path& log() const { return log_; }
  [[nodiscard]] const LogSink& sink() const { return *sink_; }
  // The newest file, as it was before the last look at it.
  [[nodiscard]] const std::optional<state::FileFacts>& seen() const { return seen_; }

 private:
  using Clock = std::chrono::steady_clock;
  sdk::Result<void> read();
  bool send(std::stop_token cancel);
  void failed(const sdk::Error& error);
  void note_lost();
  void close_reader();
  void move_on();

  const std::filesystem::path log_;
  const std::filesystem::path cursor_;
  const std::unique_ptr<LogSink> sink_;
  std::optional<LogPosition> position_;   // of what is sent
  std::optional<LogPosition> read_to_;    // of what is read, without a reader
  std::optional<state::FileFacts> seen_;
  // While there is something to do.
  std::optional<JsonLogReader> reader_;
  EventAssembler assembler_;
  std::vector<LogEvent> events_;
  std::size_t bytes_ = 0;                 // of them, about
  bool drained_ = false;
  Clock::time_point held_since_{};        // the assembler holds something, and nothing came since
  unsigned failures_ = 0;                 // in a row
  std::chrono::milliseconds pause_{0};
  LogForwarder::Counts counts_;
};

}  // namespace berth::runtime
