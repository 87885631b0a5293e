// SPDX-License-Identifier: Apache-2.0
#include "core/api/state_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>

namespace berth::api {
namespace {

using Gauges = prometheus::Family<prometheus::Gauge>;

Gauges& gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

void count_tasks(const control::State& state, prometheus::Registry& registry) {
  std::map<std::pair<std::string, std::string>, int> counts;
  for (const auto& [id, task] : state.tasks()) {
    ++counts[{task->cluster.str(), std::string(to_string(task->last_status))}];
  }
  Gauges& tasks = gauges(registry, "berth_tasks", "Tasks on record, by lastStatus.");
  for (const auto& [key, count] : counts) {
    tasks.Add({{"cluster", key.first}, {"status", key.second}}).Set(count);
  }
}

void count_instances(const control::State& state, prometheus::Registry& registry) {
  std::map<std::pair<std::string, bool>, int> counts;
  for (const auto& [id, instance] : state.instances()) {
    if (instance->status == InstanceStatus::Inactive) continue;
    ++counts[{instance->cluster.str(), instance->node.connected()}];
  }
  Gauges& instances = gauges(registry, "berth_container_instances",
                             "Hosts that have joined, by whether their agent is connected.");
  for (const auto& [key, count] : counts) {
    instances.Add({{"cluster", key.first}, {"connected", key.second ? "true" : "false"}})
        .Set(count);
  }
}

void count_services(const control::State& state, prometheus::Registry& registry) {
  Gauges& desired = gauges(registry, "berth_service_desired_tasks", "desiredCount of a service.");
  Gauges& running = gauges(registry, "berth_service_running_tasks", "Its tasks that are RUNNING.");
  Gauges& pending =
      gauges(registry, "berth_service_pending_tasks", "Its tasks that are not RUNNING yet.");
  for (const auto& [id, service] : state.services()) {
    if (service->inactive()) continue;
    int runs = 0;
    int waits = 0;
    for (const TaskId& task : state.tasks_of(id)) {
      const TaskStatus status = state.task(task)->last_status;
      runs += status == TaskStatus::Running ? 1 : 0;
      waits += status < TaskStatus::Running ? 1 : 0;
    }
    const prometheus::Labels labels{{"cluster", id.cluster.str()}, {"service", id.name.str()}};
    desired.Add(labels).Set(service->active() ? service->data.desired_count() : 0);
    running.Add(labels).Set(runs);
    pending.Add(labels).Set(waits);
  }
}

}  // namespace

Families metrics_of(const control::State& state) {
  prometheus::Registry registry;
  count_tasks(state, registry);
  count_instances(state, registry);
  count_services(state, registry);
  return registry.Collect();
}

Families metrics_of(const std::vector<model::PluginDescription>& plugins) {
  prometheus::Registry registry;
  std::map<std::string, int> counts{{"ACTIVE", 0}, {"FAILED", 0}};
  for (const auto& plugin : plugins) ++counts[plugin.status()];
  Gauges& family = gauges(registry, "berth_plugins",
                          "Plugins by status; a FAILED one is left out, `berth plugin list` tells "
                          "why.");
  for (const auto& [status, count] : counts) family.Add({{"status", status}}).Set(count);
  return registry.Collect();
}

Families process_metrics() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream words(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
  constexpr std::size_t kUserTime = 11;  // counted behind the command's name
  constexpr std::size_t kSystemTime = 12;
  constexpr std::size_t kStart = 19;
  constexpr std::size_t kResidentPages = 21;
  if (fields.size() <= kResidentPages) return {};
  const auto number = [&](std::size_t field) {
    return std::strtod(fields[field].c_str(), nullptr);
  };
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  double up = 0;
  std::ifstream("/proc/uptime") >> up;
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::error_code ec;
  double open = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", ec), end; !ec && at != end;
       at.increment(ec)) {
    open += 1;
  }
  prometheus::Registry registry;
  prometheus::BuildCounter()
      .Name("process_cpu_seconds_total")
      .Help("CPU time of the control plane.")
      .Register(registry)
      .Add({})
      .Increment((number(kUserTime) + number(kSystemTime)) / ticks);
  gauges(registry, "process_resident_memory_bytes", "Memory in use.")
      .Add({})
      .Set(number(kResidentPages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  gauges(registry, "process_start_time_seconds", "When it was started, since the epoch.")
      .Add({})
      .Set(now - up + number(kStart) / ticks);
  gauges(registry, "process_open_fds", "Open file descriptors.").Add({}).Set(open);
  return registry.Collect();
}

}  // namespace berth::api
