// SPDX-License-Identifier: Apache-2.0
// An agent of a plugin's fleet as a process of its own (tests/sdk/fleet/agent_main.cpp), over the
// real connection.
//
// Threads: one at a time.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

namespace berth::test {

class AgentProcess {
 public:
  AgentProcess(const std::string& port, const std::string& token, const std::filesystem::path& dir,
               const char* failpoint = nullptr) {
    std::filesystem::create_directories(dir);
    int out[2];
    int in[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      if (failpoint) ::setenv("BERTH_FAILPOINT", failpoint, 1);
      ::execl(BERTH_FLEET_AGENT, BERTH_FLEET_AGENT, port.c_str(), token.c_str(), dir.c_str(),
              nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    stdout_ = out[0];
  }
  ~AgentProcess() { kill(); }
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  void wait() {
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
    ::close(stdin_);
    ::close(stdout_);
  }
  void tell(const std::string& line) {
    ASSERT_EQ(::write(stdin_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  // The next line that begins so; empty at the end, or after 20 s.
  std::string line(const std::string& begin) {
    std::string text;
    for (;;) {
      pollfd ready{stdout_, POLLIN, 0};
      if (::poll(&ready, 1, 20'000) <= 0) return {};
      char c = 0;
      if (::read(stdout_, &c, 1) != 1) return {};
      if (c != '\n') {
        text += c;
      } else if (text.starts_with(begin)) {
        return text;
      } else {
        text.clear();
      }
    }
  }

 private:
  pid_t pid_ = 0;
  int stdin_ = -1;
  int stdout_ = -1;
};

}  // namespace berth::test
