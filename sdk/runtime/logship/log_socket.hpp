// SPDX-License-Identifier: Apache-2.0
// A connection to a receiver of logs: TCP, UDP or a Unix socket, with a deadline for each step.
//
// Threads: one at a time. Errors: UNAVAILABLE with the address and what went wrong; CANCELLED.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>

#include "berth/result.hpp"
#include "sdk/runtime/log/log_options.hpp"
#include "sdk/runtime/logship/name_lookup.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {

class LogSocket {
 public:
  LogSocket(LogAddress address, std::chrono::milliseconds timeout)
      : address_(std::move(address)),
        timeout_(timeout),
        lookup_(address_.host, address_.port, is_datagram() ? SOCK_DGRAM : SOCK_STREAM) {}

  // Connects where it is not connected, or the other side has hung up meanwhile.
  [[nodiscard]] sdk::Result<void> connect(std::stop_token cancel);
  // All of it, or the connection is closed. A datagram socket sends it as one.
  [[nodiscard]] sdk::Result<void> write(std::string_view bytes, std::stop_token cancel);
  // Some bytes of an answer; at its end an error.
  [[nodiscard]] sdk::Result<std::string> read(std::stop_token cancel);
  void close() { fd_ = OwnedFd(); }
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] sdk::Result<void> wait(short events, std::stop_token cancel);
  [[nodiscard]] sdk::Result<void> connect_to(int family, int type, const void* address, unsigned size, std::stop_token cancel);
  [[nodiscard]] sdk::Result<void> connect_in_container(std::stop_token cancel);
  [[nodiscard]] sdk::Error failure(const std::string& what) const;
  [[nodiscard]] bool has_hung_up() const;
  [[nodiscard]] bool is_datagram() const {
    return address_.kind == LogAddress::Kind::Udp || address_.kind == LogAddress::Kind::UnixDatagram;
  }

  const LogAddress address_;
  const std::chrono::milliseconds timeout_;
  NameLookup lookup_;
  OwnedFd fd_;
};

}  // namespace berth::runtime
