// SPDX-License-Identifier: Apache-2.0
// A control plane and an agent on this host, living in one data directory.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/cli/api_client.hpp"
#include "core/cli/commands.hpp"

namespace berth::cli {

class LocalStack {
 public:
  // Asks berthd what the options and its configuration file come to. Errors: Invalid, in berthd's
  // words.
  [[nodiscard]] static Result<LocalStack> of(const UpOptions& options);

  [[nodiscard]] const std::filesystem::path& data_dir() const { return data_dir_; }
  [[nodiscard]] std::optional<pid_t> control_plane() const;
  [[nodiscard]] std::optional<pid_t> agent() const;
  // Whether anything was ever started here.
  [[nodiscard]] bool exists() const;

  // Each starts its program and returns when it is serving; nothing happens where it runs already.
  enum class Services { Run, Rest };
  [[nodiscard]] Result<void> start_control_plane(bool detach, Services services = Services::Run);
  [[nodiscard]] Result<void> start_agent(bool detach);

  // HOST:PORT where the API listens, or did when it last ran; empty while it has never run.
  [[nodiscard]] std::string address() const;
  // Starts go to the port of the last run, unless the configuration asks for a free one: clients
  // and other stacks know that one.
  void keep_port();
  // How to reach this stack's API. Errors: NotFound while it has never run.
  [[nodiscard]] Result<ApiOptions> api() const;
  // Plugins that the running control plane has left out, and why.
  [[nodiscard]] std::map<std::string, std::string> plugins_left_out() const;
  // Whether the running control plane starts nothing for services: a `down` was cut short.
  [[nodiscard]] bool services_rest() const;
  // What the control plane, or the agent, has written since this object found or started it.
  [[nodiscard]] std::string last_words_of_control_plane() const;
  // How the same stack is named again on a command line: " --data-dir DIR --config FILE", as far as
  // it was given; else empty.
  [[nodiscard]] std::string naming() const;
  // The agent's configuration, once start_agent has written it.
  [[nodiscard]] std::filesystem::path agent_config() const { return data_dir_ / "agent.toml"; }

 private:
  LocalStack(UpOptions options, boost::json::object config);
  // As the control plane lists them; none where it cannot be asked.
  [[nodiscard]] boost::json::array plugins() const;
  [[nodiscard]] std::set<std::string> pools() const;
  [[nodiscard]] Result<std::string> fleet() const;
  [[nodiscard]] Result<void> write_agent_config() const;
  [[nodiscard]] boost::json::array control_ports() const;
  // Errors: Invalid, told of the [agent] that it was written from.
  [[nodiscard]] Result<void> check_agent_config() const;
  // `child`: where this process has started it.
  [[nodiscard]] Result<void> await_agent(std::optional<pid_t> child) const;

  UpOptions options_;
  boost::json::object config_;
  std::filesystem::path data_dir_;
  std::uintmax_t control_plane_log_ = 0;  // bytes of earlier runs
  std::uintmax_t agent_log_ = 0;
};

// Whether what listens at `running` is what `wanted` asks for; port 0 asks for any port of its
// host.
[[nodiscard]] bool serves(const std::string& running, const std::string& wanted);

}  // namespace berth::cli
