// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/port_allocator.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime {
namespace {

// A socket on 0.0.0.0:port; -1 with errno. It gets no traffic: that is redirected before it would.
int hold(Protocol protocol, std::uint16_t port) {
  const bool tcp = protocol == Protocol::Tcp;
  const int fd = ::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int yes = 1;
  // For TCP past connections must not be in the way, and listening keeps everyone else out
  // nevertheless.
  if (tcp) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      (!tcp || ::listen(fd, 1) == 0)) {
    return fd;
  }
  const int why = errno;
  ::close(fd);
  errno = why;
  return -1;
}

// Whether hold() failed for want of descriptors, which says nothing about the port.
bool is_short(int why) {
  return why == EMFILE || why == ENFILE;
}

sdk::Error no_descriptor() {
  return sdk::fail(
      BERTH_UNAVAILABLE,
      "the agent has no descriptor left to hold a host port; raise its limit of open files");
}

}  // namespace

PortAllocator::PortAllocator(std::uint16_t first, std::uint16_t last)
    : first_(first), last_(last), next_(first) {}

PortAllocator::~PortAllocator() {
  for (const auto& [key, fd] : held_) {
    if (fd >= 0) ::close(fd);
  }
}

std::pair<std::uint16_t, std::uint16_t> PortAllocator::kernel_range() {
  const auto text = state::read_file("/proc/sys/net/ipv4/ip_local_port_range").value_or("");
  char* end = nullptr;
  const auto first = std::strtoul(text.c_str(), &end, 10);
  const auto last = std::strtoul(end, nullptr, 10);
  if (first < 1 || last > 65'535 || first > last) return {49'153, 65'535};
  return {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

sdk::Result<std::uint16_t> PortAllocator::take(Protocol protocol, std::uint16_t wanted) {
  if (wanted != 0) {
    const std::string name = std::to_string(wanted) + (protocol == Protocol::Tcp ? "/tcp" : "/udp");
    const bool ours = held_.contains({protocol, wanted});
    const int fd = ours ? -1 : hold(protocol, wanted);
    if (fd >= 0) {
      held_[{protocol, wanted}] = fd;
      return wanted;
    }
    if (!ours && is_short(errno)) return no_descriptor();
    if (!ours && errno == EACCES)
      return sdk::fail(BERTH_DENIED, "host port " + name + " may not be bound", "hostPort");
    return sdk::fail(BERTH_ALREADY_EXISTS, "host port " + name + " is already allocated",
                     "hostPort");
  }
  for (unsigned tried = 0; tried <= static_cast<unsigned>(last_ - first_); ++tried) {
    const std::uint16_t port = next_;
    next_ = next_ == last_ ? first_ : static_cast<std::uint16_t>(next_ + 1);
    if (held_.contains({protocol, port})) continue;
    if (const int fd = hold(protocol, port); fd >= 0) {
      held_[{protocol, port}] = fd;
      return port;
    }
    if (is_short(errno)) return no_descriptor();
  }
  return sdk::fail(
      BERTH_NO_CAPACITY,
      "no host port of " + std::to_string(first_) + "-" + std::to_string(last_) + " is free",
      "hostPort");
}

sdk::Result<std::uint16_t> PortAllocator::take_row(Protocol protocol, std::uint16_t count) {
  const unsigned size = static_cast<unsigned>(last_ - first_) + 1;
  std::vector<std::uint16_t> row;
  for (unsigned tried = 0; tried < size + count && row.size() < count; ++tried) {
    const std::uint16_t port = next_;
    next_ = next_ == last_ ? first_ : static_cast<std::uint16_t>(next_ + 1);
    const bool ours = held_.contains({protocol, port});
    const int fd = ours ? -1 : hold(protocol, port);
    const bool out_of_descriptors = fd < 0 && !ours && is_short(errno);
    // A port in use, or the range's end, begins the row anew.
    if (fd < 0 || (!row.empty() && port != row.back() + 1)) {
      for (const auto given : row) give_back(protocol, given);
      row.clear();
    }
    if (out_of_descriptors) return no_descriptor();
    if (fd < 0) continue;
    held_[{protocol, port}] = fd;
    row.push_back(port);
  }
  if (row.size() == count) return row.front();
  for (const auto given : row) give_back(protocol, given);
  return sdk::fail(BERTH_NO_CAPACITY,
                   "no " + std::to_string(count) + " host ports in a row of " +
                       std::to_string(first_) + "-" + std::to_string(last_) + " are free",
                   "containerPortRange");
}

sdk::Result<std::vector<PublishedPort>> PortAllocator::publish(
    const std::vector<PortRequest>& wishes) {
  std::vector<PublishedPort> out;
  const auto fail = [&](sdk::Error error) {
    give_back(out);
    return error;
  };
  for (const auto& wish : wishes) {
    if (wish.container_port == 0) {
      return fail(sdk::fail(BERTH_INVALID, "containerPort 0 cannot be published", "containerPort"));
    }
    const auto port =
        wish.is_range ? take_row(wish.protocol, wish.count) : take(wish.protocol, wish.host_port);
    if (!port && port.error().status == BERTH_ALREADY_EXISTS) {
      auto error = port.error();
      // Docker's words, which people search for.
      error.reason = "CannotStartContainerError";
      error.message =
          "CannotStartContainerError: Bind for 0.0.0.0:" + std::to_string(wish.host_port) +
          " failed: port is already allocated";
      return fail(std::move(error));
    }
    if (!port) return fail(port.error());
    out.push_back({wish.container_port, *port, wish.protocol, wish.count, wish.is_range});
  }
  return out;
}

void PortAllocator::keep(const std::vector<PublishedPort>& ports) {
  for (const auto& range : ports) {
    for (const auto& port : each(range)) {
      const Key key{port.protocol, port.host_port};
      if (!held_.contains(key)) held_[key] = hold(port.protocol, port.host_port);
    }
  }
}

void PortAllocator::give_back(const std::vector<PublishedPort>& ports) {
  for (const auto& range : ports) {
    for (const auto& port : each(range)) give_back(port.protocol, port.host_port);
  }
}

void PortAllocator::give_back(Protocol protocol, std::uint16_t port) {
  const auto held = held_.find({protocol, port});
  if (held == held_.end()) return;
  if (held->second >= 0) ::close(held->second);
  held_.erase(held);
}

std::vector<PublishedPort> each(const PublishedPort& range) {
  std::vector<PublishedPort> out;
  for (std::uint16_t i = 0; i < range.count; ++i) {
    out.push_back({static_cast<std::uint16_t>(range.container_port + i),
                   static_cast<std::uint16_t>(range.host_port + i), range.protocol});
  }
  return out;
}

}  // namespace berth::runtime
