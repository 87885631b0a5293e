// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "core/cli/child_process.hpp"
#include "core/cli/commands.hpp"
#include "core/cli/local_stack.hpp"

namespace berth::cli {
namespace {

// A command that works as it stands, also where the AWS CLI was never configured.
std::string first_command(const ApiOptions& api) {
  const bool keyless = api.access_key.empty();
  return "AWS_ACCESS_KEY_ID=" + (keyless ? "any" : api.access_key) +
         " AWS_SECRET_ACCESS_KEY=" + (keyless ? "any" : "ITS_SECRET") +
         " aws ecs list-container-instances --endpoint-url " + api.url + " --region " + api.region +
         (api.ca_file.empty() ? "" : " --ca-bundle " + api.ca_file);
}

void describe(const LocalStack& stack, const ApiOptions& api, bool json) {
  const std::string& url = api.url;
  for (const auto& [name, reason] : stack.plugins_left_out()) {
    std::cerr << "berth: plugin " << name << " is left out: " << reason << '\n';
  }
  if (json) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"api", url},
                                         {"data_dir", stack.data_dir().string()},
                                         {"berthd", stack.control_plane().value_or(0)},
                                         {"agent", stack.agent().value_or(0)}})
              << std::endl;
    return;
  }
  std::cout << "API            " << url << "\n"
            << "data           " << stack.data_dir().string() << "\n"
            << "control plane  pid " << stack.control_plane().value_or(0) << ", log "
            << (stack.data_dir() / "berthd.log").string() << "\n"
            << "agent          pid " << stack.agent().value_or(0) << ", log "
            << (stack.data_dir() / "agent.log").string() << "\n"
            << "try            " << first_command(api) << std::endl;
}

// Waits for Ctrl-C, then ends both; their tasks go on.
int stay(const LocalStack& stack, const sigset_t& signals) {
  std::cout << "Ctrl-C ends both; tasks go on running (`berth down` stops them too)." << std::endl;
  int signal = 0;
  do {
    sigwait(&signals, &signal);
    while (signal == SIGCHLD && ::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  } while (signal == SIGCHLD && stack.control_plane());
  if (signal == SIGCHLD) {
    std::cerr << "berth: the control plane ended by itself; its log ends with:\n"
              << stack.last_words_of_control_plane();
  }
  constexpr std::chrono::seconds kPatience{20};
  if (const auto pid = stack.agent()) end_process(*pid, kPatience);
  if (const auto pid = stack.control_plane()) end_process(*pid, kPatience);
  return signal == SIGCHLD ? 1 : 0;
}

}  // namespace

int start_stack(const Context& context, const UpOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&signals, signal);
  if (!options.detach) pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (::geteuid() != 0) {
    return complain({Errc::Denied,
                     "run it as root: the agent makes namespaces, mounts and networks",
                     Subject::None,
                     {},
                     {}});
  }
  auto stack = LocalStack::of(options);
  if (!stack) return complain(stack.error());
  if (const auto pid = stack->control_plane(); pid && stack->services_rest()) {
    std::cerr << "berth: a `berth down` was cut short; the control plane is started again\n";
    constexpr std::chrono::seconds kPatience{20};
    end_process(*pid, kPatience);
    stack->keep_port();
  }
  const bool had_control_plane = stack->control_plane().has_value();
  const bool had_agent = stack->agent().has_value();
  if (auto up = stack->start_control_plane(options.detach); !up) return complain(up.error());
  if (auto up = stack->start_agent(options.detach); !up) {
    constexpr std::chrono::seconds kPatience{20};
    if (const auto pid = stack->agent(); pid && !had_agent) end_process(*pid, kPatience);
    if (const auto pid = stack->control_plane(); pid && !had_control_plane) {
      end_process(*pid, kPatience);
    }
    return complain(up.error());
  }
  const auto api = stack->api();
  if (!api) return complain(api.error());
  describe(*stack, *api, context.json);
  return options.detach ? 0 : stay(*stack, signals);
}

}  // namespace berth::cli
