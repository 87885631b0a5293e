// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sdk/runtime/oci/container_runtime.hpp"
#include "sdk/runtime/oci/container_state.hpp"

namespace berth::runtime {

ExitWatch::ExitWatch(std::string state_dir, int fd, bool on_monitor)
    : state_dir_(std::move(state_dir)), fd_(fd), on_monitor_(on_monitor) {}

ExitWatch::ExitWatch(ExitWatch&& other) noexcept
    : state_dir_(std::move(other.state_dir_)),
      fd_(std::exchange(other.fd_, -1)),
      on_monitor_(other.on_monitor_) {}

ExitWatch& ExitWatch::operator=(ExitWatch&& other) noexcept {
  if (this != &other) {
    close_fd();
    state_dir_ = std::move(other.state_dir_);
    fd_ = std::exchange(other.fd_, -1);
    on_monitor_ = other.on_monitor_;
  }
  return *this;
}

ExitWatch::~ExitWatch() {
  close_fd();
}

void ExitWatch::close_fd() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

// Of a container that has ended already.
sdk::Result<ExitWatch> ExitWatch::ended(std::string state_dir) {
  const int ready = ::eventfd(1, EFD_CLOEXEC);
  if (ready < 0) {
    return sdk::fail(BERTH_UNAVAILABLE, std::string("no event: ") + std::strerror(errno));
  }
  return ExitWatch(std::move(state_dir), ready, false);
}

sdk::Result<ExitWatch> ExitWatch::begin(std::string state_dir) {
  // The monitor first: connected, its end cannot be missed. Then the files, which tell an end that
  // came before.
  auto monitor = connect_monitor(state_dir);
  if (!monitor) return monitor.error();
  auto view = read_view(state_dir);
  if (!view) return view.error();
  if (view->phase == ContainerPhase::Stopped) {
    return ended(std::move(state_dir));
  }
  if (*monitor) return ExitWatch(std::move(state_dir), monitor->release(), true);
  auto init = open_init(view->handle);
  if (!init) return init.error();
  if (*init) return ExitWatch(std::move(state_dir), init->release(), false);
  // It ended between the two looks, or was never made.
  view = read_view(state_dir);
  if (!view) return view.error();
  if (view->phase != ContainerPhase::Stopped) {
    return sdk::fail(BERTH_PRECONDITION, "container " + view->handle.id + " was not created");
  }
  return ended(std::move(state_dir));
}

sdk::Result<std::optional<ContainerExit>> ExitWatch::poll() {
  for (;;) {
    if (on_monitor_) {
      char text[64];
      const ssize_t n = ::recv(fd_, text, sizeof text, MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<ContainerExit>();
    } else {
      pollfd polled{fd_, POLLIN, 0};
      if (::poll(&polled, 1, 0) <= 0) return std::optional<ContainerExit>();
    }
    auto view = read_view(state_dir_);
    if (!view) return view.error();
    if (view->exit) return view->exit;
    if (!on_monitor_) return std::optional<ContainerExit>();
    // The monitor is gone and the container is not: its init itself is watched from now on.
    auto next = begin(state_dir_);
    if (!next) return next.error();
    *this = std::move(*next);
  }
}

sdk::Result<ContainerExit> ExitWatch::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto exit = poll();
    if (!exit) return exit.error();
    if (*exit) return **exit;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled{fd_, POLLIN, 0};
    if (left.count() <= 0 ||
        (::poll(&polled, 1, static_cast<int>(left.count())) < 0 && errno != EINTR)) {
      return sdk::fail(BERTH_DEADLINE, "the container did not end in time");
    }
  }
}

}  // namespace berth::runtime
