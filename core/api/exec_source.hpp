// SPDX-License-Identifier: Apache-2.0
// Where the commands of `exec` run: the daemon implements it over the streams of launch type
// plugins.
//
// Invariants: 1. A sink gets output and input credit, then exactly one end: the exit code, or an
// error. 2. A source hands over at most the bytes that were granted, none at first; the same holds
// for input the other way. 3. Destroying the ExecStream ends the command: what a sink is still told
// afterwards is ignored. Threads: any; a sink is called by one thread at a time and never blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "berth/v1/stream.pb.h"
#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::api {

struct ExecQuery {
  TaskPtr task;           // never null
  std::string container;  // of the task's definition
  std::vector<std::string> command;
  bool terminal = false;
  bool input = false;  // false: the command reads nothing
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
};

class ExecSink {
 public:
  virtual ~ExecSink() = default;
  virtual void output(v1::StreamChunk::Channel channel, std::string data) = 0;
  virtual void input_credit(std::uint32_t bytes) = 0;
  virtual void end(Result<int> exit_code) = 0;
};

class ExecStream {
 public:
  virtual ~ExecStream() = default;
  virtual void grant(std::uint32_t bytes) = 0;
  virtual void write(v1::StreamWrite input) = 0;
};

class ExecSource {
 public:
  virtual ~ExecSource() = default;
  // Never null: what prevents the command is told to sink->end.
  [[nodiscard]] virtual std::unique_ptr<ExecStream> open(ExecQuery query,
                                                         std::shared_ptr<ExecSink> sink) = 0;
};

}  // namespace berth::api
