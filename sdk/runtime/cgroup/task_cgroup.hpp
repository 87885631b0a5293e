// SPDX-License-Identifier: Apache-2.0
// The cgroup of a task, parent of its containers' cgroups: made, limited and removed, on v1, hybrid
// and v2 hosts.
//
// Threads: any; one at a time for one path. Paths are below the root of every hierarchy:
// "/berth/TASK". Errors: PRECONDITION no usable hierarchy, or the path still holds processes;
// INVALID a limit below what the kernel takes; INTERNAL the rest.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime {

enum class CgroupMode {
  Legacy,   // v1 hierarchies alone
  Hybrid,   // v1 hierarchies, and cgroup2 at /sys/fs/cgroup/unified
  Unified,  // v2 alone
};

// ECS's rules: a task with cpu has a hard quota of cpu/1024 vCPU, one without has the sum of its
// containers' shares.
struct TaskLimits {
  std::optional<std::uint64_t> cpu_units;  // task-level cpu
  std::uint64_t container_shares =
      2;  // sum over containers, each at least 2; used without cpu_units
  std::optional<std::uint64_t> memory_bytes;  // task-level memory; at least 6 MiB
  std::optional<std::int64_t> pids;
  std::chrono::milliseconds cpu_period{100};
};

// How a CPU quota stood in the way of who is below it; all 0 where there is none.
struct CpuThrottling {
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  std::uint64_t throttled_ns = 0;
};

// Counters of a cgroup as `stats` shows them; absent: the host does not tell.
struct CgroupUsage {
  std::uint64_t cpu_usage_ns = 0;
  std::uint64_t memory_usage_bytes = 0;  // without inactive file cache
  std::uint64_t memory_limit_bytes = 0;  // 0: none
  std::uint64_t oom_kills = 0;           // of its own processes
  std::uint64_t pids = 0;
  std::uint64_t memory_limit_hits = 0;   // allocations that met the limit; at least the kills
  std::optional<std::uint64_t> io_read_bytes{};
  std::optional<std::uint64_t> io_write_bytes{};
};

// A memory.stat as the kernel writes it: bytes or counts by name, which differ between v1 and v2.
using MemoryStat = std::vector<std::pair<std::string, std::uint64_t>>;
[[nodiscard]] MemoryStat parse_memory_stat(std::string_view text);

// The memory of a cgroup in detail; no names: the host does not tell.
struct MemoryDetail {
  std::uint64_t usage_bytes = 0;  // file cache and all
  MemoryStat stat{};
};

// Sums over all devices of a v2 io.stat ("8:0 rbytes=1 wbytes=2 ...") or a v1 blkio.throttle.io_service_bytes ("8:0 Read 1").
struct IoBytes {
  std::uint64_t read = 0;
  std::uint64_t written = 0;
};
[[nodiscard]] IoBytes parse_io_stat(std::string_view text);
[[nodiscard]] IoBytes parse_io_service_bytes(std::string_view text);

// Sums over all interfaces but loopback of a /proc/PID/net/dev.
struct NetBytes {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
};
[[nodiscard]] NetBytes parse_net_dev(std::string_view text);

// The cgroups of one machine.
class Cgroups {
 public:
  // Looks at what is mounted below `root`.
  static sdk::Result<Cgroups> open(std::string root = "/sys/fs/cgroup");

  [[nodiscard]] CgroupMode mode() const { return mode_; }
  // Mount points of the hierarchies that containers are in.
  [[nodiscard]] const std::vector<std::string>& hierarchies() const { return hierarchies_; }

  // Makes the task's cgroup where missing and sets its limits (again). No container runs in it yet,
  // or the limits are the same.
  [[nodiscard]] sdk::Result<void> make_task(const std::string& path,
                                            const TaskLimits& limits) const;

  // Removes a cgroup and all below it in every hierarchy. Missing is fine. With `kill_timeout`
  // above zero, processes that are still in it are killed first and waited for as long; else they
  // are a PRECONDITION error. A path without a last name is INVALID.
  [[nodiscard]] sdk::Result<void> remove(const std::string& path,
                                         std::chrono::milliseconds kill_timeout = {}) const;

  // Usage of a task or container. Errors: NOT_FOUND.
  [[nodiscard]] sdk::Result<CgroupUsage> usage(const std::string& path) const;

  // Of the quota of this very cgroup, so of a task: its containers have none. Zeros where it is not there.
  [[nodiscard]] CpuThrottling throttling(const std::string& path) const;
  // Empty where the cgroup is not there.
  [[nodiscard]] MemoryDetail memory(const std::string& path) const;

  // Names of the cgroups directly below `path` in any hierarchy, in order; none where it does not
  // exist.
  [[nodiscard]] std::vector<std::string> children(const std::string& path) const;

  // Pids in the cgroup and below, in any hierarchy.
  [[nodiscard]] std::vector<int> processes(const std::string& path) const;

  // A service manager ends all that is in the cgroup it made for this process. The cgroup.procs
  // files of cgroups beside it (made if need be), for what must live longer; none where this process
  // is in the root already.
  [[nodiscard]] std::vector<std::string> escape_from_own() const;
  // Those cgroups, where nobody is in them.
  void remove_escapes() const;

 private:
  // Where service managers keep their units, each with its line's beginning in /proc/PID/cgroup.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> unit_hierarchies() const;
  Cgroups(CgroupMode mode, std::vector<std::string> hierarchies)
      : mode_(mode), hierarchies_(std::move(hierarchies)) {}
  // Path of a controller's file in the cgroup; empty where no hierarchy has it.
  [[nodiscard]] std::string file(const std::string& path, const char* name) const;
  [[nodiscard]] sdk::Result<void> limit_v1(const std::string& path, const TaskLimits& limits) const;
  [[nodiscard]] sdk::Result<void> limit_v2(const std::string& path, const TaskLimits& limits) const;
  CgroupMode mode_;
  std::vector<std::string> hierarchies_;  // mount points; v2's last
};

// cpu.shares as ECS writes it for a container: 2..262144.
[[nodiscard]] std::uint64_t clamp_shares(std::uint64_t shares);
// cpu.weight for shares, the curve that crun and runc use today: 2 is 1, 1024 is 100, 262144 is
// 10000.
[[nodiscard]] std::uint64_t weight_of_shares(std::uint64_t shares);

}  // namespace berth::runtime
