// SPDX-License-Identifier: Apache-2.0
#include "core/cli/exec_ends.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace berth::cli {
namespace {

constexpr std::size_t kPiece = 32 * 1024;

// Signals are the main thread's affair.
std::thread quiet_thread(std::function<void()> work) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGPIPE);  // who writes into a closed pipe ends, as any program does
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(work));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd polled{fd, POLLOUT, 0};
      ::poll(&polled, 1, -1);
    } else if (errno != EINTR) {
      return;  // a full disk must not keep the command waiting
    }
  }
}

}  // namespace

InputReader::InputReader(Take take) : take_(std::move(take)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  thread_ = quiet_thread([this] { run(); });
}

InputReader::~InputReader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_, &one, sizeof one);
  thread_.join();
  ::close(stop_);
}

void InputReader::grant(std::uint32_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    credit_ += bytes;
  }
  changed_.notify_all();
}

void InputReader::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || credit_ > 0; });
    if (stopping_) return;
    const std::size_t most = std::min<std::uint64_t>(credit_, kPiece);
    lock.unlock();
    pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 || polled[1].revents != 0) continue;
    std::string piece(most, '\0');
    const ssize_t n = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    piece.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    lock.lock();
    credit_ -= piece.size();
    lock.unlock();
    take_(piece);
    if (piece.empty()) return;
  }
}

OutputWriter::OutputWriter(Written written) : written_(std::move(written)) {
  thread_ = quiet_thread([this] { run(); });
}

OutputWriter::~OutputWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void OutputWriter::write(int fd, std::string bytes) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(fd, std::move(bytes));
  }
  changed_.notify_all();
}

void OutputWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const auto [fd, bytes] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    write_all(fd, bytes);
    written_(static_cast<std::uint32_t>(bytes.size()));
    lock.lock();
  }
}

}  // namespace berth::cli
