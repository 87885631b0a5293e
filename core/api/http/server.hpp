// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server with bounds on everything a stranger can make it hold.
//
// Each connection is bounded in time (a whole request, idling, a write), in bytes (headers, body)
// and in number. A broken request costs its own connection only. Threads: start and stop from one
// thread; handlers run on the server's threads and must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/api/http/message.hpp"
#include "core/model/error.hpp"
#include "core/model/instant.hpp"

namespace berth::api::http {

struct Options {
  std::string address;
  std::uint16_t port = 0;
  std::string tls_certificate;  // PEM files; both empty: plain HTTP
  std::string tls_key;
  std::size_t body_bytes = 0;
  std::size_t header_bytes = 0;
  std::size_t connections = 0;
  milliseconds read_timeout{};
  milliseconds idle_timeout{};
  milliseconds write_timeout{};
  milliseconds answer_timeout{};
  milliseconds stop_grace{};
  int threads = 1;
  std::function<Instant()> now;  // for the Date header, from which clients correct their clocks
  // The response to what never becomes a request, or is never answered.
  std::function<Response(int status, std::string reason)> refuse;
};

class Server {
 public:
  // Errors: Invalid (address, certificate), AlreadyExists (port in use), Denied (a port that needs
  // privileges).
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(Options options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t connections() const;  // open now
  // Runs a function on the server's threads, from any thread; after the server's end it does
  // nothing.
  [[nodiscard]] std::function<void(std::function<void()>)> executor() const;
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::api::http
