// SPDX-License-Identifier: Apache-2.0
// How the pseudo-terminal of a container comes from the OCI runtime to its monitor.
//
// Threads: one.
#pragma once

#include <string>

namespace berth::runtime::monitor {

class ConsoleSocket {
 public:
  ConsoleSocket() = default;
  ~ConsoleSocket();
  ConsoleSocket(const ConsoleSocket&) = delete;
  ConsoleSocket& operator=(const ConsoleSocket&) = delete;

  // Listens in the container's state directory. False with errno.
  bool listen(const std::string& dir);
  // For the runtime's --console-socket; short whatever the directory's path is.
  [[nodiscard]] std::string path() const;
  // The terminal's master, non-blocking, once the runtime's create has succeeded; -1 where it sent
  // none.
  [[nodiscard]] int receive() const;

 private:
  std::string file_;
  int dir_fd_ = -1;
  int listen_fd_ = -1;
};

}  // namespace berth::runtime::monitor
