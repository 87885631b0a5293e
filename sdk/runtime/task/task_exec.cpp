// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_exec.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "sdk/runtime/oci/stop_event.hpp"
#include "sdk/runtime/task/container_process.hpp"

namespace berth::runtime {
namespace {

// What may be under way from the client to the process beside the pipe itself.
constexpr std::uint32_t kInputWindow = 256 * 1024;
constexpr std::size_t kPiece = 32 * 1024;
constexpr std::chrono::seconds kEndPatience{10};

// False where the process takes nothing any more.
bool write_all(int fd, std::string_view data, int stop) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n > 0) {
      data.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return false;
    pollfd polled[2] = {{fd, POLLOUT, 0}, {stop, POLLIN, 0}};
    ::poll(polled, 2, -1);
    if (polled[1].revents != 0) return false;
  }
  return true;
}

void feed(ExecSession& process, ExecInput& input, const ExecIo& io, const std::stop_token& stop) {
  const StopEvent stopped(stop);
  while (const auto write = input.next(stop)) {
    if (process.input() >= 0 && !write->data().empty()) {
      // Who does not read its input loses it, as in any pipeline; the client may go on.
      if (!write_all(process.input(), write->data(), stopped.fd())) process.close_input();
    }
    if (!write->data().empty()) io.grant_input(static_cast<std::uint32_t>(write->data().size()));
    if (!write->end_of_input()) continue;
    // A terminal has no end of its own: what its user types for it says it.
    if (process.has_terminal() && process.input() >= 0)
      write_all(process.input(), "\x04", stopped.fd());
    process.close_input();
  }
}

// One of the process's outputs.
struct Tap {
  int fd = -1;
  v1::StreamChunk::Channel channel = v1::StreamChunk::CHANNEL_STDOUT;
};

enum class Read { Some, Nothing, End, Unwanted };

Read read_once(Tap& tap, const ExecIo& io) {
  std::array<char, kPiece> buffer;
  const ssize_t n = ::read(tap.fd, buffer.data(), buffer.size());
  if (n > 0) {
    const bool taken = io.output(tap.channel, {buffer.data(), static_cast<std::size_t>(n)});
    return taken ? Read::Some : Read::Unwanted;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Read::Nothing;
  tap.fd = -1;  // the end; of a terminal's master it is an error
  return Read::End;
}

// Others may hold these ends for as long as they like: what is there now is all that is waited for.
bool drain(std::array<Tap, 2>& taps, const ExecIo& io) {
  for (Tap& tap : taps) {
    while (tap.fd >= 0) {
      const Read read = read_once(tap, io);
      if (read == Read::Unwanted) return false;
      if (read != Read::Some) break;
    }
  }
  return true;
}

sdk::Result<int> await_killed(ExecSession& process) {
  process.kill();
  const auto deadline = std::chrono::steady_clock::now() + kEndPatience;
  for (;;) {
    const auto ended = process.poll_end();
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (!ended || *ended || left.count() <= 0) break;
    pollfd polled{process.control(), POLLIN, 0};
    ::poll(&polled, 1, static_cast<int>(left.count()));
  }
  return sdk::fail(BERTH_CANCELLED, "the command was ended, since nobody waits for it any more");
}

sdk::Result<int> watch(ExecSession& process, const ExecIo& io, const std::stop_token& cancel) {
  const StopEvent cancelled(cancel);
  std::array<Tap, 2> taps{Tap{process.output(), v1::StreamChunk::CHANNEL_STDOUT},
                          Tap{process.errors(), v1::StreamChunk::CHANNEL_STDERR}};
  for (;;) {
    // A negative descriptor is one that poll ignores.
    std::array<pollfd, 4> polled{pollfd{cancelled.fd(), POLLIN, 0},
                                 pollfd{process.control(), POLLIN, 0},
                                 pollfd{taps[0].fd, POLLIN, 0}, pollfd{taps[1].fd, POLLIN, 0}};
    ::poll(polled.data(), polled.size(), -1);
    if (polled[0].revents != 0) return await_killed(process);
    for (std::size_t i = 0; i < taps.size(); ++i) {
      if (polled[2 + i].revents == 0) continue;
      if (read_once(taps[i], io) == Read::Unwanted) return await_killed(process);
    }
    if (polled[1].revents == 0) continue;
    const auto ended = process.poll_end();
    if (!ended) return ended.error();
    if (!*ended) continue;
    if (!drain(taps, io))
      return sdk::fail(BERTH_CANCELLED, "nobody takes the command's output any more");
    return **ended;
  }
}

}  // namespace

void ExecInput::push(v1::StreamWrite write) {
  const std::lock_guard lock(mutex_);
  if (write.has_resize() || !write.signal().empty()) {
    if (process_ != nullptr) {
      apply(write);
    } else if (!detached_ && early_.size() < 64) {
      early_.push_back(write);
    }
  }
  if (write.data().empty() && !write.end_of_input()) return;
  bytes_.push_back(std::move(write));
  changed_.notify_all();
}

void ExecInput::attach(ExecSession* process) {
  const std::lock_guard lock(mutex_);
  process_ = process;
  detached_ = process == nullptr;
  for (const v1::StreamWrite& write : std::exchange(early_, {})) {
    if (process_ != nullptr) apply(write);
  }
}

std::optional<v1::StreamWrite> ExecInput::next(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [this] { return !bytes_.empty(); })) return std::nullopt;
  v1::StreamWrite first = std::move(bytes_.front());
  bytes_.pop_front();
  return first;
}

void ExecInput::apply(const v1::StreamWrite& write) {
  if (write.has_resize()) {
    process_->resize({static_cast<std::uint16_t>(write.resize().rows()),
                      static_cast<std::uint16_t>(write.resize().columns())});
  }
  const int signo = write.signal().empty() ? 0 : parse_signal(write.signal());
  if (signo > 0) process_->signal(signo);
}

sdk::Result<int> pump_exec(ExecSession& process, ExecInput& input, const ExecIo& io,
                           std::stop_token cancel) {
  input.attach(&process);
  const bool takes_input = process.input() >= 0;
  std::jthread feeder([&](const std::stop_token& stop) { feed(process, input, io, stop); });
  if (takes_input) io.grant_input(kInputWindow);
  const auto result = watch(process, io, cancel);
  input.attach(nullptr);
  feeder.request_stop();
  feeder.join();
  return result;
}

}  // namespace berth::runtime
