// SPDX-License-Identifier: Apache-2.0
// berthd: the control plane.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "core/daemon/config_check.hpp"
#include "core/daemon/daemon.hpp"

namespace {

constexpr const char* kDefaultConfig = "/etc/berth/berth.toml";

struct Arguments {
  std::string config;
  std::string data_dir;
  std::string api;
  bool free_ports = false;
  bool print_config = false;
  bool with_access_key = false;
  berth::daemon::RunOptions run;
};

berth::Result<berth::daemon::Config> configure(const Arguments& arguments) {
  using berth::daemon::Config;
  Config config;
  if (!arguments.config.empty() || std::filesystem::exists(kDefaultConfig)) {
    auto read = berth::daemon::read_config(arguments.config.empty() ? kDefaultConfig : arguments.config);
    if (!read) return read;
    config = std::move(*read);
  }
  if (!arguments.data_dir.empty()) config.data_dir = arguments.data_dir;
  config.free_ports = arguments.free_ports;
  if (!arguments.api.empty()) {
    const auto endpoint = berth::daemon::parse_endpoint(arguments.api);
    if (!endpoint) return tl::unexpected(endpoint.error());
    config.api = *endpoint;
  }
  berth::daemon::complete_networks(config);
  if (auto checked = berth::daemon::check_config(config); !checked) {
    return tl::unexpected(checked.error());
  }
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("berthd: Berth's control plane. It serves until SIGTERM; tasks outlive it.");
  app.set_version_flag("-V,--version", std::string("berthd ") + BERTH_VERSION);
  app.add_option("--config", arguments.config, std::string("Configuration file (") + kDefaultConfig + " where it exists)");
  app.add_option("--data-dir", arguments.data_dir, "Instead of the configuration's data_dir");
  app.add_option("--api", arguments.api, "HOST:PORT instead of the configuration's api");
  app.add_flag("--free-ports", arguments.free_ports, "Plugins listen on free ports unless the configuration names one");
  app.add_flag("--print-config", arguments.print_config, "Check the configuration, print it as JSON without secrets, and end");
  app.add_flag("--with-access-key", arguments.with_access_key, "With --print-config: also the first access key");
  app.add_flag("--services-rest", arguments.run.services_rest, "Start and stop nothing for services until the next start: for whoever stops all tasks");
  app.add_option("--ready-fd", arguments.run.ready_fd, "Descriptor that gets a line once the API serves");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // as `berth` does
  }
  const auto config = configure(arguments);
  if (!config) {
    std::cerr << "berthd: " << config.error().message << '\n';
    return 1;
  }
  if (arguments.print_config) {
    using berth::daemon::Secrets;
    const auto secrets = arguments.with_access_key ? Secrets::FirstAccessKey : Secrets::None;
    std::cout << berth::daemon::describe(*config, secrets) << '\n';
    return 0;
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("berthd"));
  spdlog::set_level(spdlog::level::from_str(config->log_level));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  const auto ran = berth::daemon::run(*config, arguments.run);
  if (!ran) spdlog::critical("{}", ran.error().message);
  return ran ? 0 : 1;
}
