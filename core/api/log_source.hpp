// SPDX-License-Identifier: Apache-2.0
// Where the log records of a task come from: the daemon implements it over the streams of launch
// type plugins.
//
// Invariants: 1. A sink gets records in order, then exactly one end, which may be an error. 2. A
// source hands over at most the bytes that were granted (the first credit, then grant()). 3.
// Destroying the LogStream cancels: what a sink is still told afterwards is ignored. Threads: any;
// a sink is called by one thread at a time and never blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::api {

struct LogQuery {
  TaskPtr task;                         // never null
  std::vector<std::string> containers;  // names of the task's definition; empty: all
  std::optional<std::int64_t> tail_lines;
  std::optional<Instant> since;
  bool follow = false;  // go on until the task has stopped and its lines are sent
};

// Takes what a stream delivers.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // `cost_bytes` is what these records used up of the credit; it is granted again once they are on
  // their way.
  virtual void records(std::vector<v1::LogRecord> records, std::uint32_t cost_bytes) = 0;
  virtual void end(Result<void> result) = 0;
};

// An open stream.
class LogStream {
 public:
  virtual ~LogStream() = default;
  virtual void grant(std::uint32_t bytes) = 0;
};

class LogSource {
 public:
  virtual ~LogSource() = default;
  // Never null: what prevents the stream is told to sink->end (also from within open).
  [[nodiscard]] virtual std::unique_ptr<LogStream> open(LogQuery query, std::uint32_t credit_bytes,
                                                        std::shared_ptr<LogSink> sink) = 0;
};

}  // namespace berth::api
