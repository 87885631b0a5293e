// SPDX-License-Identifier: Apache-2.0
// The agent on this very host. Needs root.
#include "sdk/runtime/agent/agent.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>

#include "sdk/runtime/agent/claims.hpp"
#include "sdk/runtime/owned_fd.hpp"
#include "tests/sdk/runtime/task_host_support.hpp"

namespace berth::runtime {
namespace {

TEST(AgentOnHost, HasItsPidFileBeforeItDials) {
  const testing::Place place("agent", BERTH_TEST_MONITOR);
  const OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);

  AgentConfig config;
  config.server = {"127.0.0.1", ntohs(address.sin_port)};
  config.join_token = "berth1:" + std::string(64, 'a') + ":" + std::string(64, 'b');
  config.tasks = place.config();
  config.pid_file = place.data_dir() / "agent.pid";
  auto agent = Agent::open(config);
  ASSERT_TRUE(agent) << agent.error().message;
  pollfd dialled{listener.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&dialled, 1, 20'000), 1);
  pid_t pid = 0;
  std::ifstream(config.pid_file) >> pid;
  EXPECT_EQ(pid, ::getpid());

  // Another one may have neither its directory nor its names.
  const auto same = Agent::open(config);
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().message, "Another agent uses " + place.data_dir().string());
  AgentConfig beside = config;
  beside.tasks.data_dir = place.data_dir().parent_path() / "beside";
  beside.pid_file = beside.tasks.data_dir / "agent.pid";
  const auto shared = Agent::open(beside);
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().message, "bridge '" + config.tasks.bridge + "' is used by another agent of this machine, that of " +
                                        place.data_dir().string() + ": give each agent its own");
  agent->reset();
  EXPECT_FALSE(std::filesystem::exists(config.pid_file));
  release_names(config.tasks);
}

}  // namespace
}  // namespace berth::runtime
