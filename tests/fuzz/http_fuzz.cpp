// SPDX-License-Identifier: Apache-2.0
// Bytes as they come from strangers, into a live server: whatever they are, it answers or hangs up,
// and serves the next one.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "core/api/http/server.hpp"

namespace {

using namespace berth;       // NOLINT
using namespace berth::api;  // NOLINT

http::Server& server() {
  static const std::unique_ptr<http::Server> kServer = [] {
    http::Options options{.address = "127.0.0.1",
                          .port = 0,
                          .tls_certificate = {},
                          .tls_key = {},
                          .body_bytes = 64 * 1024,
                          .header_bytes = 4096,
                          .connections = 16,
                          .read_timeout = milliseconds(2000),
                          .idle_timeout = milliseconds(2000),
                          .write_timeout = milliseconds(2000),
                          .answer_timeout = milliseconds(2000),
                          .stop_grace = milliseconds(0),
                          .threads = 1,
                          .now = [] { return Instant(); },
                          .refuse =
                              [](int status, const std::string& reason) {
                                http::Response response;
                                response.status = status;
                                response.body = reason;
                                return response;
                              }};
    auto started = http::Server::start(std::move(options), [](http::Request request,
                                                              const http::Answer& answer) {
      http::Response response;
      response.body = request.method + std::to_string(http::parse_query(request.query()).size());
      answer(std::move(response));
    });
    if (!started) abort();
    return std::move(*started);
  }();
  return *kServer;
}

// Sends all and reads to the end. False where the server cannot be reached.
bool exchange(std::string_view bytes, std::string& answer) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server().port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval deadline{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return false;
  }
  (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  char buffer[4096];
  for (ssize_t n = 0; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string ignored;
  if (!exchange({reinterpret_cast<const char*>(data), size}, ignored)) abort();
  std::string answer;
  const bool reached =
      exchange("GET /?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer);
  if (!reached || !answer.ends_with("GET1")) abort();
  return 0;
}
