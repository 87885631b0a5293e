// SPDX-License-Identifier: Apache-2.0
// A small HTTP server over listening sockets of many network namespaces: one thread, one answer a
// connection.
//
// Every socket has a scope, a name of the caller's, which the handler is told: what is asked over a
// socket is asked from within its namespace. Invariants: 1. The number of threads is one, whatever
// listens. 2. Connections, their bytes and their life are bounded, for each scope and in all.
// Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/metadata/http_request.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::metadata {

struct Answer {
  int status = 200;
  std::string body;  // JSON
};

class Server {
 public:
  // Once, from any thread, also when the connection or the server is gone.
  using Respond = std::function<void(Answer)>;
  // On the server's thread; must not block.
  using Handler = std::function<void(const std::string& scope, const Request&, Respond)>;

  static sdk::Result<std::unique_ptr<Server>> start(Handler handler);
  // Closes everything; what is under way gets no answer.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves a listening socket. One of the same scope that is served already is closed.
  void listen(const std::string& scope, OwnedFd socket);
  // Closes the socket of a scope and its connections before it returns: nothing of ours keeps its
  // network namespace afterwards. Unknown is fine. Not on the server's thread.
  void close(const std::string& scope);
  [[nodiscard]] bool listens(const std::string& scope) const;

 private:
  class Impl;
  explicit Server(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::runtime::metadata
