// SPDX-License-Identifier: Apache-2.0
// bench_fleet_hosts: many simulated hosts in one process, against a real berthd.
//
// Says "connected" once all are, then answers each line of its input with what has happened so far;
// ends with its input.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/fleet/simulated_host.hpp"
#include "bench/replay/trace.hpp"

namespace {

using namespace berth;

struct Arguments {
  std::string server = "127.0.0.1:5081";
  std::string token_file;
  std::string directory;
  std::string nodes;
  int hosts = 1000;
  int zones = 3;
  int loops = 1;
  std::int64_t cpu = 16384;
  std::int64_t memory_mib = 65536;
  std::map<std::string, std::string> attributes;
  int wait_seconds = 300;
};

int complain(const std::string& why) {
  std::cerr << "bench_fleet_hosts: " << why << '\n';
  return 1;
}

// A connection each, and a few files.
bool raise_file_limit(int hosts) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const auto wanted = static_cast<rlim_t>(hosts) * 2 + 256;
  if (limit.rlim_cur >= wanted) return true;
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted) limit.rlim_max = wanted;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// NAME=VALUE, or NAME of one that says nothing.
void take_attribute(const std::string& text, Arguments& arguments) {
  const std::size_t at = text.find('=');
  arguments.attributes[text.substr(0, at)] = at == std::string::npos ? "" : text.substr(at + 1);
}

replay::Outcome<std::vector<bench::HostPlan>> plans_of(const Arguments& arguments) {
  std::vector<bench::HostPlan> plans;
  if (arguments.nodes.empty()) {
    plans.assign(static_cast<std::size_t>(arguments.hosts),
                 {.cpu = arguments.cpu, .memory_mib = arguments.memory_mib});
    return plans;
  }
  const auto trace = replay::read_openb_nodes(arguments.nodes);
  if (!trace) return tl::unexpected(trace.error());
  for (const replay::TraceNode& node : trace->nodes) {
    plans.push_back({.cpu = node.cpu_milli,
                     .memory_mib = node.memory_mib,
                     .gpus = node.devices,
                     .gpu_model = node.devices > 0 ? trace->models[node.model] : "",
                     .attributes = {{"host", node.name}}});
  }
  return plans;
}

int run(const Arguments& arguments) {
  auto server = fleet::Endpoint::parse(arguments.server);
  if (!server) return complain(server.error().message);
  std::ifstream file(arguments.token_file);
  std::string token{std::istreambuf_iterator<char>(file), {}};
  while (!token.empty() && (token.back() == '\n' || token.back() == ' ')) token.pop_back();
  if (token.empty()) return complain("there is no join token in '" + arguments.token_file + "'");
  auto plans = plans_of(arguments);
  if (!plans) return complain(plans.error());
  const int wanted = static_cast<int>(plans->size());
  if (!raise_file_limit(wanted)) {
    return complain("not enough files may be open for " + std::to_string(wanted) + " hosts");
  }
  std::vector<std::shared_ptr<fleet::Loop>> loops;
  for (int i = 0; i < arguments.loops; ++i) loops.push_back(std::make_shared<fleet::Loop>());
  bench::FleetCounts counts;
  std::vector<std::unique_ptr<bench::SimulatedHost>> hosts;
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(arguments.wait_seconds);
  for (int i = 0; i < wanted; ++i) {
    bench::HostPlan& plan = (*plans)[static_cast<std::size_t>(i)];
    plan.server = *server;
    plan.join_token = token;
    plan.directory = arguments.directory;
    plan.number = i;
    plan.zones = arguments.zones;
    plan.attributes.insert(arguments.attributes.begin(), arguments.attributes.end());
    auto host =
        bench::SimulatedHost::open(plan, counts, loops[static_cast<std::size_t>(i) % loops.size()]);
    if (!host) return complain(host.error().message);
    hosts.push_back(std::move(*host));
    hosts.back()->start();
    // A trace's nodes are there in its order, by which placement breaks ties.
    if (!arguments.nodes.empty() && !counts.await_connected(i + 1, deadline)) break;
  }
  if (!counts.await_connected(wanted, deadline)) {
    return complain("only " + std::to_string(counts.connected()) + " of " + std::to_string(wanted) +
                    " hosts are connected");
  }
  std::cout << "connected" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << "connected=" << counts.connected() << " lost=" << counts.lost
              << " started=" << counts.started << " stopped=" << counts.stopped
              << " overbooked=" << counts.overbooked << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulated hosts that speak the agents' protocol to a berthd.", "bench_fleet_hosts");
  Arguments arguments;
  app.add_option("--server", arguments.server, "HOST:PORT of the fleet")->capture_default_str();
  app.add_option("--token-file", arguments.token_file, "Join token of the fleet")->required();
  app.add_option("--directory", arguments.directory, "Where the hosts keep their identities")
      ->required()
      ->check(CLI::ExistingDirectory);
  CLI::Option* nodes = app.add_option(
      "--nodes", arguments.nodes,
      "CSV of a trace's nodes (as berth-bench replay reads): a host for each, with its CPU, memory "
      "and GPUs and its name as the attribute host, joining one after the other in this order");
  app.add_option("--hosts", arguments.hosts, "How many")
      ->check(CLI::Range(1, 100'000))
      ->excludes(nodes)
      ->capture_default_str();
  app.add_option("--zones", arguments.zones, "Availability Zones they lie in")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--loops", arguments.loops, "Threads that serve them")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--cpu", arguments.cpu, "CPU units each offers")
      ->excludes(nodes)
      ->capture_default_str();
  app.add_option("--memory", arguments.memory_mib, "MiB each offers")
      ->excludes(nodes)
      ->capture_default_str();
  app.add_option_function<std::vector<std::string>>(
      "--attribute",
      [&](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) take_attribute(text, arguments);
      },
      "NAME=VALUE that each registers besides its own; several times");
  app.add_option("--wait-seconds", arguments.wait_seconds, "For all to be connected")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return run(arguments);
}
