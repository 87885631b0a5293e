// SPDX-License-Identifier: Apache-2.0
// Reads a json-file log, rotated files included: from a time on, the last lines, or as it grows.
//
// Invariants: records come in the order written, each once, also across rotation; a file that was
// rotated away before it was read is lost and the next one follows. A line that is not whole yet is
// left for later; one that is damaged is skipped. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/monitor/file_identity.hpp"

namespace berth::runtime {

enum class LogStream { Stdout, Stderr };

struct LogRecord {
  std::int64_t time_ns = 0;  // since the Unix epoch
  LogStream stream = LogStream::Stdout;
  std::string data;      // without the line end
  bool partial = false;  // the line goes on in the next record of this stream
};

using state::LogPosition;

struct LogQuery {
  std::optional<std::int64_t> since_ns{};     // records at this time and later
  std::optional<std::uint64_t> tail_lines{};  // the last n lines; 0: only what comes from now on
  // After what another reader has taken; where that file is gone, from the oldest that is there.
  std::optional<LogPosition> from{};
};

class JsonLogReader {
 public:
  // A log that does not exist yet is an empty one. Errors: DENIED, INTERNAL.
  static sdk::Result<JsonLogReader> open(std::string path, LogQuery query = {});
  JsonLogReader(JsonLogReader&&) noexcept;
  JsonLogReader& operator=(JsonLogReader&&) noexcept;
  ~JsonLogReader();

  // Up to about `max` records that are there now; none: nothing new. Never waits.
  [[nodiscard]] sdk::Result<std::vector<LogRecord>> read(std::size_t max = 256);

  // Behind the last record that read() gave; nothing where there is no log yet.
  [[nodiscard]] std::optional<LogPosition> position() const;

  // An inotify descriptor, readable once something was written or rotated since the last read()
  // that gave nothing. The end of a followed log is the caller's to know: the container has ended
  // and read() gives nothing.
  [[nodiscard]] int fd();

 private:
  class Impl;
  explicit JsonLogReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime
