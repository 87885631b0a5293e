// SPDX-License-Identifier: Apache-2.0
// berth-agent: joins a host to a fleet and runs its tasks.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

#include <CLI/CLI.hpp>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sdk/runtime/agent/agent.hpp"
#include "sdk/runtime/agent/leftovers.hpp"
#include "sdk/runtime/agent/registration.hpp"

namespace {

int stop_event = -1;

// A handler and no blocked mask: containers would inherit the mask.
void on_stop(int) {
  const int error = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_event, &one, sizeof one);
  errno = error;
}

void await_stop() {
  pollfd wait{stop_event, POLLIN, 0};
  while (::poll(&wait, 1, -1) < 0 && errno == EINTR) {
  }
}

int complain(const berth::sdk::Error& error) {
  std::cerr << "berth-agent: " << error.message << '\n';
  return 1;
}

// Each published port and each running container holds a descriptor. What containers may open is said by their definitions.
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) spdlog::warn("the limit of open files cannot be raised: {}", std::strerror(errno));
}

int run(const berth::runtime::AgentConfig& config) {
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");  // as berthd's
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  spdlog::flush_on(spdlog::level::info);
  raise_open_files();
  // Who reads from us may end at any time: commands in containers, receivers of logs. The write says so.
  ::signal(SIGPIPE, SIG_IGN);
  stop_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = on_stop;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  std::atomic<bool> removed = false;
  auto agent = berth::runtime::Agent::open(config, [&removed] {
    removed = true;
    on_stop(0);
  });
  if (!agent) return complain(agent.error());
  spdlog::info("berth-agent {} begins; server {}", berth::runtime::agent_version(), config.server.text());
  await_stop();
  if (!removed) spdlog::info("berth-agent ends; containers run on");
  agent->reset();
  if (!removed) return 0;
  spdlog::info("this host was removed from its fleet; its tasks have ended, and so does berth-agent");
  const auto cleared = berth::runtime::remove_leftovers(config);
  return cleared ? 0 : complain(cleared.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The agent of Berth: joins this host to a launch type's fleet and runs its tasks.", "berth-agent");
  std::string file = "/etc/berth/agent.toml";
  bool check = false;
  bool leftovers = false;
  app.add_option("--config", file, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Check the configuration file, and end");
  app.add_flag("--remove-leftovers", leftovers,
               "Remove bridge, firewall rules and cgroups of an agent that has ended and runs no task, then exit");
  app.set_version_flag("--version", std::string("berth-agent ") + berth::runtime::agent_version());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // as `berth` does
  }
  const auto config = berth::runtime::read_agent_config(file);
  if (!config) return complain(config.error());
  if (check) return 0;
  if (!leftovers) return run(*config);
  const auto removed = berth::runtime::remove_leftovers(*config);
  return removed ? 0 : complain(removed.error());
}
