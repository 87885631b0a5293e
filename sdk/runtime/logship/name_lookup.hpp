// SPDX-License-Identifier: Apache-2.0
// The addresses of a host, looked up by a thread of its own: the system's resolver can neither be
// bounded nor cancelled, and takes minutes where nameservers do not answer.
//
// Threads: one at a time. Errors: UNAVAILABLE with the resolver's words, DEADLINE, CANCELLED;
// without the host's name, which the caller knows.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime {

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

class NameLookup {
 public:
  using Addresses = sdk::Result<std::vector<SocketAddress>>;
  // Blocks as long as it likes; called on a thread that may outlive the NameLookup.
  using Resolve = std::function<Addresses(const std::string& host, std::uint16_t port, int type)>;
  // `type` is SOCK_STREAM or SOCK_DGRAM.
  NameLookup(std::string host, std::uint16_t port, int type, Resolve resolve = ask_system);

  // Waits no longer than `patience`. A lookup that takes longer goes on, and the next call waits
  // for that one; what has been told once is asked anew.
  [[nodiscard]] Addresses addresses(std::chrono::milliseconds patience, std::stop_token cancel);

  static Addresses ask_system(const std::string& host, std::uint16_t port, int type);

 private:
  struct Answer;
  const std::string host_;
  const std::uint16_t port_;
  const int type_;
  const Resolve resolve_;
  std::shared_ptr<Answer> pending_;
};

}  // namespace berth::runtime
