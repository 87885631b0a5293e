// SPDX-License-Identifier: Apache-2.0
// An agent in miniature for tests that kill it: Tasks, told what to do by lines on its standard input.
//
//   tasks_agent DATA_DIR MONITOR NAME REGISTRY_URL SUBNET [PLUGIN | FIRST_ID ROOTFS_DIR]
//   PLUGIN is the scripted one; its journal is DATA_DIR/journal. With FIRST_ID each of two tasks at a time has 2000 ids of its own
//   start FILE | stop ID | forget ID | quit     answered "ok" or "error WHY"; "open" comes first
//   report PHASE ID                             on each report, unasked
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <string>

#include "sdk/runtime/devices/host_plugins.hpp"
#include "tests/sdk/runtime/task_host_support.hpp"

namespace {

using berth::runtime::Tasks;
using berth::runtime::TasksConfig;
namespace v1 = berth::v1;

void say(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

void answer(const berth::sdk::Result<void>& result) { say(result ? "ok" : "error " + result.error().message); }

void start(Tasks& tasks, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  v1::StartTaskRequest request;
  if (!request.ParseFromString(bytes)) return say("error bad file");
  answer(tasks.start(request));
}

void stop(Tasks& tasks, const std::string& id) {
  v1::StopTaskRequest request;
  request.set_task_id(id);
  request.set_reason("stop");
  answer(tasks.stop(request));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || argc > 8) return 2;
  TasksConfig config;
  config.data_dir = argv[1];
  config.monitor = argv[2];
  config.bridge = argv[3];
  config.cgroup_parent = argv[3];
  config.subnet = argv[5];
  if (argc == 8) {
    const auto first = static_cast<std::uint32_t>(std::stoul(argv[6]));
    config.user_namespaces = {.first = first, .last = first + 3'999, .per_task = 2'000};
    config.rootfs_dir = argv[7];
  }
  berth::runtime::testing::PlainAccess access(argv[4]);
  std::unique_ptr<berth::runtime::HostPlugins> plugins;
  if (argc == 7) {
    auto opened = berth::runtime::HostPlugins::open(
        {.directories = {},
         .plugins = {{"scripted",
                      {.path = argv[6],
                       .settings = {{"journal", config.data_dir / "journal"}, {"surrounds", "true"}}}}},
         .data_dir = config.data_dir / "plugins"});
    if (!opened) {
      say("error " + opened.error().message);
      return 1;
    }
    plugins = std::move(*opened);
  }
  auto tasks = Tasks::open(config, {.report =
                                        [](const v1::TaskReport& report) {
                                          say("report " + std::to_string(report.phase()) + " " + report.task_id());
                                        },
                                    .registry = access,
                                    .plugins = plugins.get()});
  if (!tasks) {
    say("error " + tasks.error().message);
    return 1;
  }
  say("open");
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    std::string rest;
    words >> verb >> rest;
    if (verb == "start") start(**tasks, rest);
    if (verb == "stop") stop(**tasks, rest);
    if (verb == "forget") {
      (*tasks)->forget({rest});
      say("ok");
    }
    if (verb == "quit") break;
  }
  return 0;
}
