// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/exec_call.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sdk/runtime/oci/stop_event.hpp"

namespace berth::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kEndPatience{10};

class Run {
 public:
  Run(ExecSession& process, const ExecCall& call, Clock::time_point deadline)
      : process_(process), call_(call), cancelled_(call.cancel), deadline_(deadline) {}

  sdk::Result<ExecOutcome> operator()() {
    for (int output = process_.output();;) {
      pollfd polled[] = {{process_.control(), POLLIN, 0},
                         {output, POLLIN, 0},
                         {killed_ ? -1 : cancelled_.fd(), POLLIN, 0}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
      ::poll(polled, 3, static_cast<int>(std::max<std::int64_t>(0, left.count())));
      // At its end poll would find it ready again and again.
      if (polled[1].revents != 0 && !read(output)) output = -1;
      if (polled[0].revents != 0) {
        const auto ended = process_.poll_end();
        if (!ended && !killed_) return ended.error();
        if (!ended) return std::move(out_);
        if (*ended) {
          // Others may hold the other end for as long as they like: what is there now is all.
          if (output >= 0) read(output);
          if (!killed_) out_.exit_code = **ended;
          return std::move(out_);
        }
      }
      const bool cancel = polled[2].revents != 0;
      if (!cancel && Clock::now() < deadline_) continue;
      if (killed_) return std::move(out_);  // the session's end goes on trying
      out_.timed_out = !cancel;
      killed_ = true;
      process_.kill();
      deadline_ = Clock::now() + kEndPatience;
    }
  }

 private:
  // False at its end.
  bool read(int fd) {
    char buffer[4096];
    // No more at a time than a pipe holds: it may write faster than it is read.
    for (int i = 0; i < 16; ++i) {
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n < 0 && errno == EAGAIN;
      const auto room = call_.max_output - out_.output.size();
      out_.output.append(buffer, std::min<std::size_t>(room, static_cast<std::size_t>(n)));
    }
    return true;
  }

  ExecSession& process_;
  const ExecCall& call_;
  const StopEvent cancelled_;
  Clock::time_point deadline_;
  bool killed_ = false;
  ExecOutcome out_;
};

}  // namespace

sdk::Result<ExecOutcome> run_to_end(const ExecSession::Place& place, const ExecCall& call) {
  const auto deadline = Clock::now() + call.timeout;
  auto process = ExecSession::start(place, {.args = call.args, .one_output = true});
  if (!process && process.error().status == BERTH_DEADLINE) {
    return ExecOutcome{.exit_code = {}, .timed_out = true, .output = {}};
  }
  if (!process) return process.error();
  return Run(**process, call, deadline)();
}

}  // namespace berth::runtime
