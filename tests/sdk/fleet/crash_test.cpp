// SPDX-License-Identifier: Apache-2.0
// What survives kill -9 of the server at each point of a report's and a join's way.
#include <cstdlib>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sdk/fleet/fixture.hpp"

namespace berth::fleet {
namespace {

class ServerProcess {
 public:
  ServerProcess(const std::filesystem::path& dir, std::uint16_t port, const char* failpoint) {
    int out[2];
    int in[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
    const std::string number = std::to_string(port);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      if (failpoint) {
        ::setenv("BERTH_FAILPOINT", failpoint, 1);
      } else {
        ::unsetenv("BERTH_FAILPOINT");
      }
      ::execl(BERTH_FLEET_SERVER, BERTH_FLEET_SERVER, dir.c_str(), number.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    stdout_ = out[0];
  }
  ~ServerProcess() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(stdin_);
    ::close(stdout_);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // The next line; empty at the end, or after 20 s.
  std::string line() {
    std::string text;
    for (;;) {
      pollfd ready{stdout_, POLLIN, 0};
      if (::poll(&ready, 1, 20'000) <= 0) return {};
      char c = 0;
      if (::read(stdout_, &c, 1) != 1) return {};
      if (c == '\n') return text;
      text += c;
    }
  }
  // The signal that ended it.
  int wait_killed() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  pid_t pid_ = 0;
  int stdin_ = -1;
  int stdout_ = -1;
};

class FleetCrash : public FleetTest, public testing::WithParamInterface<const char*> {
 protected:
  // Starts a server and reads where it listens.
  std::unique_ptr<ServerProcess> serve(const char* failpoint) {
    auto process = std::make_unique<ServerProcess>(dir_.path() / "server", port_, failpoint);
    const std::string line = process->line();
    const auto token = line.find(" token ");
    EXPECT_NE(token, std::string::npos) << line;
    if (token == std::string::npos) return process;
    port_ = static_cast<std::uint16_t>(std::atoi(line.c_str() + 5));
    token_ = line.substr(token + 7);
    return process;
  }
  ClientConfig config() const {
    return {.server = {"127.0.0.1", port_}, .join_token = token_, .identity_file = dir_.path() / "agent",
            .backoff_first = 10ms, .backoff_most = 100ms};
  }
  std::uint16_t port_ = 0;
  std::string token_;
};

INSTANTIATE_TEST_SUITE_P(Points, FleetCrash,
                         testing::Values("fleet.before_frame.join", "fleet.after_frame.join", "fleet.before_send.joined",
                                         "fleet.after_send.joined", "fleet.before_frame.hello", "fleet.before_send.welcome",
                                         "fleet.before_frame.report", "fleet.after_frame.report",
                                         "fleet.before_send.report-ack"));

TEST_P(FleetCrash, AnAgentIsServedAndHeardAfterTheServerDies) {
  auto first = serve(GetParam());
  TestAgent agent;
  ASSERT_TRUE(agent.open(config(), registration()));
  agent.client->report(task_report('a', 7));
  ASSERT_EQ(first->wait_killed(), SIGKILL);
  auto second = serve(nullptr);
  ASSERT_TRUE(agent.wait_connected());
  EXPECT_EQ(second->line(), "report " + std::string(32, 'a') + " 7");
}

}  // namespace
}  // namespace berth::fleet
