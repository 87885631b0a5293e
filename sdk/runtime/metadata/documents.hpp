// SPDX-License-Identifier: Apache-2.0
// What the task endpoints say, as ECS's agent words it: container, task, stats, credentials.
//
// Threads: any; all but read_clock() are pure. Units: milliseconds since the Unix epoch, CPU units,
// MiB; 0: not yet.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "sdk/runtime/cgroup/task_cgroup.hpp"

namespace berth::runtime::metadata {

enum class Version { V2, V3, V4 };

// Of a container's place on the network. Empty strings are left out.
struct NetworkFacts {
  std::string mode{};  // "bridge", "host", "none", "awsvpc"
  std::vector<std::string> ipv4_addresses{};
  // Of awsvpc alone.
  std::optional<int> attachment_index{};
  std::string mac_address{};
  std::string ipv4_subnet_cidr{};
  std::string private_dns_name{};
  std::string subnet_gateway{};
  std::vector<std::string> dns_servers{};
  std::vector<std::string> dns_search{};
};

// What only the host knows of a container, once it has made it.
struct CreatedContainer {
  std::string runtime_id;
  std::string image_id;  // "sha256:..."
  std::map<std::string, std::string> labels;
  NetworkFacts network;
  std::int64_t created_ms = 0;
};

// How a health check ended.
struct CheckFacts {
  std::int32_t exit_code = 0;  // -1: none
  std::string output{};
};

struct ContainerFacts {
  std::optional<CreatedContainer> created;
  std::int64_t started_ms = 0;
  std::int64_t finished_ms = 0;
  std::int64_t health_since_ms = 0;        // it has had its health status since
  std::optional<CheckFacts> last_check{};  // of the program that runs
};

// How far the machine's clock may be off, as the kernel has it from whoever disciplines it.
struct ClockFacts {
  double error_bound_ms = 0;
  bool is_synchronized = false;
  std::int64_t at_ms = 0;
};
[[nodiscard]] ClockFacts read_clock();

struct TaskFacts {
  v1::StartTaskRequest request;
  v1::TaskReport report;                   // the newest; may be empty
  std::vector<ContainerFacts> containers;  // in the order of the definition
  std::map<std::string, std::string> instance_tags;
  std::optional<ClockFacts> clock{};
};

[[nodiscard]] boost::json::object container_document(const TaskFacts& task, std::size_t container,
                                                     Version version);
[[nodiscard]] boost::json::object task_document(const TaskFacts& task, Version version,
                                                bool with_tags);

// Counters of a container at one time, and of the machine's CPUs, which readers divide by.
struct StatsSample {
  v1::ContainerStats stats;
  std::uint64_t system_cpu_ns = 0;
  MemoryDetail memory{};
};
// Docker's stats, with the sample of the question before; null where this is the first.
[[nodiscard]] boost::json::object stats_document(const StatsSample& now, const StatsSample* before,
                                                 const std::string& runtime_id);

// "2026-01-02T03:04:05.006Z"
[[nodiscard]] std::string rfc3339(std::int64_t ms);

}  // namespace berth::runtime::metadata
