// SPDX-License-Identifier: Apache-2.0
// Sends the logs of containers where their drivers say, from the files that the monitors write.
//
// Invariants: 1. What is to be sent, and how far it is sent, is on disk beside the log, so another forwarder over the same files goes on
// where this one was; what was sent and not yet noted is sent again. 2. A log is read no faster than it is sent: what waits, waits in its
// files. 3. The number of threads does not depend on the number of logs.
//
// Files beside json.log: `shipment` (LogShipment; gone once all is sent), `cursor` (LogPosition), `ended` (nothing more is written).
// Threads: any. Errors: those of LogSink; INTERNAL for the disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>

#include "berth/result.hpp"
#include "sdk/runtime/logship/log_sink.hpp"

namespace berth::runtime {

class LogForwarder {
 public:
  // What became of a log so far, since the forwarder was opened; `lost` are records that were rotated away unsent (by the monitor's count).
  struct Counts {
    std::uint64_t sent = 0;
    std::uint64_t refused = 0;
    std::uint64_t failures = 0;  // attempts to send
    std::uint64_t lost = 0;
  };
  static constexpr const char* kCursor = "cursor";

  // Goes on with the shipments below `logs`/TASK/CONTAINER.
  explicit LogForwarder(LogOutside outside, unsigned threads = 4);
  ~LogForwarder();
  LogForwarder(const LogForwarder&) = delete;
  LogForwarder& operator=(const LogForwarder&) = delete;

  // Goes on with what is to be sent of the logs below `logs`/TASK/CONTAINER/.
  void resume(const std::filesystem::path& logs);
  // Begins with a log that is about to be written, once its receiver is there; one that has begun goes on. The log's directory exists.
  [[nodiscard]] sdk::Result<void> begin(const std::filesystem::path& log, const LogShipment& shipment, std::stop_token cancel = {});
  // Nothing more is written to this log.
  void end(const std::filesystem::path& log);
  // Whether all of a log that has ended is sent; waits for it.
  [[nodiscard]] bool await_sent(const std::filesystem::path& log, std::chrono::milliseconds patience, std::stop_token cancel = {});
  // Its receiver has gone for good: what is not sent never will be.
  void give_up(const std::filesystem::path& log);
  // The logs below this directory are about to be removed.
  void drop(const std::filesystem::path& directory);

  // Nothing for a log that is not (or no longer) to be sent.
  [[nodiscard]] std::optional<Counts> counts(const std::filesystem::path& log) const;

  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime
