// SPDX-License-Identifier: Apache-2.0
#include "core/cli/pool_table.hpp"

#include <algorithm>
#include <string>

#include "core/cli/json_access.hpp"

namespace berth::cli {
namespace {

std::int64_t whole(const boost::json::object& object, std::string_view key) {
  return static_cast<std::int64_t>(number_of(object, key));
}

std::int64_t fits(std::int64_t cpu, std::int64_t memory, const PoolOptions& options) {
  return std::min(cpu / options.cpu, memory / options.memory);
}

std::string share(const boost::json::object& summary, std::string_view used,
                  std::string_view total) {
  return std::to_string(whole(summary, used)) + "/" + std::to_string(whole(summary, total));
}

}  // namespace

boost::json::object summary_of(const boost::json::object& pool, const PoolOptions& options) {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  std::int64_t free_cpu = 0;
  std::int64_t free_memory = 0;
  std::int64_t used_cpu = 0;
  std::int64_t used_memory = 0;
  std::int64_t tasks = 0;
  std::int64_t fitting = 0;
  std::int64_t hosts = 0;
  for (const auto& item : list_of(pool, "hosts")) {
    if (!item.is_object()) continue;
    const auto& host = item.as_object();
    const auto* connected = host.if_contains("connected");
    tasks += whole(host, "tasks");
    // What is away is no capacity.
    if (connected == nullptr || !connected->is_bool() || !connected->as_bool()) continue;
    ++hosts;
    const std::int64_t left_cpu = whole(host, "remainingCpu");
    const std::int64_t left_memory = whole(host, "remainingMemory");
    cpu += whole(host, "cpu");
    memory += whole(host, "memory");
    used_cpu += whole(host, "cpu") - left_cpu;
    used_memory += whole(host, "memory") - left_memory;
    free_cpu += left_cpu;
    free_memory += left_memory;
    fitting += fits(left_cpu, left_memory, options);
  }
  const std::int64_t at_best = fits(free_cpu, free_memory, options);
  const std::int64_t fragmentation = at_best == 0 ? 0 : 100 * (at_best - fitting) / at_best;
  return {{"hosts", hosts},   {"tasks", tasks},
          {"cpu", cpu},       {"usedCpu", used_cpu},
          {"memory", memory}, {"usedMemory", used_memory},
          {"fits", fitting},  {"fragmentation", fragmentation}};
}

Table pool_table(const boost::json::array& pools) {
  Table table(
      {"POOL", "CLUSTER", "ZONE", "HOSTS", "TASKS", "CPU", "MEMORY MIB", "FITS", "FRAGMENTATION"});
  for (const auto& item : pools) {
    if (!item.is_object()) continue;
    const auto& pool = item.as_object();
    const auto& summary = object_of(pool, "summary");
    table.row({text_of(pool, "plugin") + "/" + text_of(pool, "name"), text_of(pool, "cluster"),
               text_of(pool, "availabilityZone"), std::to_string(whole(summary, "hosts")),
               std::to_string(whole(summary, "tasks")), share(summary, "usedCpu", "cpu"),
               share(summary, "usedMemory", "memory"), std::to_string(whole(summary, "fits")),
               std::to_string(whole(summary, "fragmentation")) + "%"});
  }
  return table;
}

}  // namespace berth::cli
