// SPDX-License-Identifier: Apache-2.0
// Carries the bytes of an exec'd process: its output to a sink, a client's input to it, each at the
// pace of whoever takes it.
//
// Threads: ExecInput any; pump_exec blocks the caller's thread and has one more for the input.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>

#include "berth/result.hpp"
#include "berth/v1/stream.pb.h"
#include "sdk/runtime/oci/exec_session.hpp"

namespace berth::runtime {

// What a client has sent and the process has not taken yet. Bytes wait their turn, signals and
// sizes do not.
class ExecInput {
 public:
  void push(v1::StreamWrite write);

  // Signals and sizes go to `process` from now on, those that came before at once; nullptr: they
  // are dropped.
  void attach(ExecSession* process);
  // Waits for bytes or their end. Nothing: `stop`.
  [[nodiscard]] std::optional<v1::StreamWrite> next(const std::stop_token& stop);

 private:
  void apply(const v1::StreamWrite& write);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  ExecSession* process_ = nullptr;
  bool detached_ = false;
  std::deque<v1::StreamWrite> early_;  // signals and sizes from before attach()
  std::deque<v1::StreamWrite> bytes_;
};

struct ExecIo {
  // Blocks until it is taken; false: nobody wants it any more, and the process is ended.
  std::function<bool(v1::StreamChunk::Channel, std::string_view)> output;
  // So many more bytes of input may come.
  std::function<void(std::uint32_t)> grant_input;
};

// Until the process has ended and what it had written then is sent; gives its exit code. Errors:
// CANCELLED where the caller or the sink wants no more: the process is ended. Else those of
// ExecSession::poll_end.
sdk::Result<int> pump_exec(ExecSession& process, ExecInput& input, const ExecIo& io,
                           std::stop_token cancel);

}  // namespace berth::runtime
