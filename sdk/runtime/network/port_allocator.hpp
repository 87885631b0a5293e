// SPDX-License-Identifier: Apache-2.0
// Host ports that are published: each is held by a socket of ours, so that no other program, nor
// another Berth, can take it.
//
// Threads: one at a time. Errors: ALREADY_EXISTS a fixed port is taken; NO_CAPACITY no dynamic one
// is free; DENIED.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/task_network.hpp"

namespace berth::runtime {

class PortAllocator {
 public:
  // The range for dynamic ports, both inclusive.
  PortAllocator(std::uint16_t first, std::uint16_t last);
  ~PortAllocator();
  PortAllocator(const PortAllocator&) = delete;
  PortAllocator& operator=(const PortAllocator&) = delete;

  // net.ipv4.ip_local_port_range, or 49153-65535 where it cannot be read.
  static std::pair<std::uint16_t, std::uint16_t> kernel_range();

  // `wanted`, or with 0 one of the range.
  [[nodiscard]] sdk::Result<std::uint16_t> take(Protocol protocol, std::uint16_t wanted);
  // The first of `count` free ports of the range in a row.
  [[nodiscard]] sdk::Result<std::uint16_t> take_row(Protocol protocol, std::uint16_t count);
  // All that are asked for, or none. Errors: those above, a fixed one that is taken in Docker's
  // words; INVALID containerPort 0.
  [[nodiscard]] sdk::Result<std::vector<PublishedPort>> publish(
      const std::vector<PortRequest>& wishes);
  // Takes those that were published before this process began; if somebody has one by now the
  // publication still holds.
  void keep(const std::vector<PublishedPort>& ports);
  void give_back(const std::vector<PublishedPort>& ports);
  void give_back(Protocol protocol, std::uint16_t port);

 private:
  using Key = std::pair<Protocol, std::uint16_t>;
  std::uint16_t first_;
  std::uint16_t last_;
  std::uint16_t next_;
  std::map<Key, int> held_;  // -1: published, and held by nobody
};

// The ports of a range, one by one.
[[nodiscard]] std::vector<PublishedPort> each(const PublishedPort& range);

}  // namespace berth::runtime
