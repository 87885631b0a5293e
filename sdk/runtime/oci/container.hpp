// SPDX-License-Identifier: Apache-2.0
// What one container is to be, and what is known of one that was made.
//
// Threads: values. Units: bytes, nanoseconds since the Unix epoch, CPU shares (1024 = 1 vCPU).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/host.pb.h"
#include "sdk/runtime/id_range.hpp"
#include "sdk/runtime/oci/container_options.hpp"

namespace berth::runtime {

// Where output goes: json-file lines as Docker writes them.
struct LogTarget {
  std::string path;             // its directory exists; rotated files are path.1, path.2, ...; empty: nowhere
  std::uint64_t max_bytes = 0;  // 0: never rotated
  std::uint32_t max_files = 1;  // files in all, the one being written included
  // Of a log that is shipped: the file that says how far, and whether the program waits for that rather than lose lines.
  std::string cursor{};
  bool wait_for_reader = false;
};

// Files of the host that the container sees under these names, read-write; empty: not bound.
struct EtcFiles {
  std::string hosts;
  std::string hostname;
  std::string resolv_conf;
};

// All that the OCI configuration of one container depends on, resolved: no image, user name or
// default is looked up any more.
struct ContainerSpec {
  std::string id;  // of [A-Za-z0-9][A-Za-z0-9_.-]{0,199}; unique in the runtime's state root
  std::uint32_t run = 0;   // kept with the container: which start of it by a restart policy this is
  std::string bundle_dir;  // made where missing; config.json is written here
  std::string rootfs;  // absolute; mounted for as long as the container exists, writable also with
                       // readonly_rootfs: mount points are made in it
  std::vector<std::string> args;  // at least one
  std::vector<std::string> env;   // "NAME=value"
  std::string cwd = "/";          // absolute; made in the rootfs where missing
  std::uint32_t uid = 0;  // in the container, as gid and all below
  std::uint32_t gid = 0;
  IdRange ids;  // of a user namespace of its own
  std::vector<std::uint32_t> additional_gids;
  std::string hostname;     // empty with the host's network: the host's
  std::string netns_path;   // empty: the host's network
  bool own_network = false;  // without netns_path: a network namespace with nothing in it
  std::string cgroup_path;  // "/berth/TASK/NAME": in every hierarchy; the container's own, the leaf
  std::uint64_t cpu_shares = 2;          // clamped to 2..262144, as ECS does
  std::uint64_t memory_limit = 0;        // 0: none but the task's
  std::uint64_t memory_reservation = 0;  // 0: none
  std::int64_t pids_limit = 0;           // 0: none
  LogTarget log;
  EtcFiles etc;
  bool readonly_rootfs = false;
  ContainerOptions options;
  std::string init_program;  // berth-init on this host; needed with options.with_init
  std::vector<v1::OciEdits>
      edits;  // of host plugins, applied in this order; `runtime` of the last that names one
  int stop_signal = 15;  // kept in the annotations; signal() sends what it is told
  std::map<std::string, std::string> annotations;
};

// A container that exists. A pid alone proves nothing after a restart; with its start time it does.
struct ContainerHandle {
  std::string id;
  pid_t pid = 0;                      // of its init, in the agent's pid namespace
  std::uint64_t pid_start_ticks = 0;  // field 22 of /proc/PID/stat
  pid_t monitor_pid = 0;
};

// How a container ended.
struct ContainerExit {
  std::optional<int>
      exit_code;   // 128+n where signal n ended it; absent where nobody was there to see it
  int signal = 0;  // that ended it; 0: it exited
  std::uint64_t oom_kills = 0;     // processes of it that the kernel killed for memory
  std::int64_t started_at_ns = 0;  // 0: its program never ran
  std::int64_t finished_at_ns = 0;

  // ECS's OutOfMemoryError: the kernel killed for memory and the container did not end well.
  [[nodiscard]] bool oom_killed() const { return oom_kills > 0 && exit_code != 0; }
};

enum class ContainerPhase {
  Creating,  // its monitor is at work, or died at it (then monitor_alive is false: remove it)
  Created,   // everything but its program is there
  Running,
  Stopped,
};

// What is known of a container, also by another process after a restart.
struct ContainerView {
  ContainerHandle handle;
  std::uint32_t run = 0;  // of its spec
  ContainerPhase phase = ContainerPhase::Creating;
  bool monitor_alive =
      false;  // false while Running: output and exit code are lost, its end is still seen
  std::optional<ContainerExit> exit;  // with Stopped
  std::int64_t created_at_ns = 0;
  std::int64_t started_at_ns = 0;  // 0: not started
};

}  // namespace berth::runtime
