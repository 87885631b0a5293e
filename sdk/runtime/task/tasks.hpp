// SPDX-License-Identifier: Apache-2.0
// The tasks of one host: takes them over durably, runs their containers, reports every change, survives kill -9.
//
// Invariants: 1. start() and stop() have been written to disk before they return. 2. No container is started
// twice: the intention is on disk before the runtime is asked, and after a crash the container's monitor says
// whether it ran. 3. A TaskReport describes a state that is on disk; sequences of a task only grow, also over restarts.
// 4. A stopped task leaves nothing on the host but its logs, and these until `cleanup_wait` is over.
// Threads: any. Errors: Errors of the SDK; INVALID names the member at fault.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/roles/roles.hpp"
#include "sdk/runtime/secrets/resolver.hpp"
#include "sdk/runtime/task/id_ranges.hpp"
#include "sdk/runtime/task/task_exec.hpp"

namespace berth::runtime::image {
class RegistryAccess;  // sdk/runtime/image/registry_access.hpp
}

namespace berth::runtime {

class HostImages;  // sdk/runtime/task/host_images.hpp
class HostPlugins;  // sdk/runtime/devices/host_plugins.hpp
struct Doors;  // sdk/runtime/network/doors.hpp
struct PeerNews;  // sdk/runtime/network/peers.hpp

// ECS_IMAGE_PULL_BEHAVIOR.
enum class PullBehaviour {
  Default,       // always ask the registry; where that fails, the copy on this host
  Always,        // always ask the registry, or fail
  Once,          // only where no task of this host has pulled it before
  PreferCached,  // only where it is not on this host; and what is on it stays there
};

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;  // inclusive
};

// What each task may have of the host besides CPU and memory; 0: as much as there is.
struct TaskAllowance {
  std::int64_t pids = 0;      // processes and threads of all its containers
  std::int64_t disk_gib = 0;  // a disk of its own, unless ephemeralStorage says another size
};

struct TasksConfig {
  std::filesystem::path data_dir;                // made, mode 0700; holds records, images, bundles and logs
  std::string runtime = "crun";                  // OCI runtime: a name in PATH or a path
  std::vector<std::string> runtime_options{};    // before the runtime's commands, e.g. "--platform=kvm"
  IdRangeSettings user_namespaces{};             // ids of the host for tasks; none: containers have the host's
  TaskAllowance allowance{};
  std::filesystem::path rootfs_dir = "/run/berth";  // root file systems of containers with ids of their own
  std::filesystem::path monitor;                 // the monitor's program; empty: beside this program
  std::string bridge = "berth0";                 // device for network mode bridge, made when first needed
  std::string subnet{};                          // of that bridge, e.g. "172.30.0.0/16"; empty: a free one, then kept
  std::filesystem::path cni{};                   // conflist that makes the networks of mode bridge; empty: the agent does
  std::vector<std::string> cni_plugins = {"/opt/cni/bin", "/usr/lib/cni"};  // where its plugins are
  std::string cgroup_parent = "berth";           // cgroup that holds those of the tasks
  PortRange dynamic_ports{};                     // host ports for hostPort 0; 0-0: the kernel's ephemeral range
  std::chrono::seconds stop_timeout{30};         // between stop signal and SIGKILL, where a container says nothing
  std::chrono::seconds cleanup_wait{3 * 3600};   // logs of a stopped task stay as long
  std::chrono::seconds remember_forgotten{24 * 3600};  // a forgotten task's id is refused as long
  PullBehaviour pull = PullBehaviour::Default;
  std::chrono::seconds image_cleanup_interval{1800};  // unused images are looked for as often; 0: never
  std::chrono::seconds image_minimum_age{3600};       // of an image that is removed, since its last use
  unsigned images_per_cleanup = 5;
  unsigned image_free_percent = 10;              // with less free space neither age nor number matters
  unsigned image_max_gib = 64;                   // unpacked; a larger image is refused
  bool stop_disk_fillers = true;                 // on a full disk the task that took most of it is stopped
  std::string journal_socket = "/run/systemd/journal/socket";  // of the log driver journald
  std::string syslog_socket = "/dev/log";        // of the log driver syslog without an address
  std::chrono::milliseconds cpu_period{100};     // of task-level CPU quotas
  unsigned concurrent_starts = 6;                // containers made or removed at a time
  unsigned concurrent_pulls = 3;                 // images pulled at a time
  unsigned concurrent_checks = 8;                // health checks that run at a time; more wait their turn
  unsigned log_followers = 64;                   // logs(follow) at a time; more answer UNAVAILABLE
  std::map<std::string, std::string> instance_tags{};  // shown by taskWithTags
  std::string ec2_instance_id{};                 // in the records of log routers; empty: none
  secrets::ResolverSettings secret_settings{};   // where secrets and environment files come from
  unsigned execs = 64;                           // exec() at a time; more answer UNAVAILABLE
};

// Whether no image is removed but by the operator.
[[nodiscard]] inline bool keeps_images(const TasksConfig& config) {
  return config.pull == PullBehaviour::PreferCached;
}

// Where the records of the tasks of a data directory are.
[[nodiscard]] inline std::filesystem::path task_store_file(const std::filesystem::path& data_dir) {
  return data_dir / "tasks.db";
}

// An interface with an address of its own comes or goes; its security groups by id.
using InterfaceListener = std::function<void(const std::string& address,
                                             const std::vector<std::string>& groups, bool up)>;

class Tasks {
 public:
  // What Tasks needs of its owner; must outlive it.
  struct Outside {
    // Called on a thread of Tasks (in open(), on the caller's), one call at a time, for each durable change (and, a few times a second, pull progress).
    // Must not block, and must not call Tasks back.
    std::function<void(const v1::TaskReport&)> report;
    image::RegistryAccess& registry;
    Roles::Source credentials{};  // of tasks' roles; empty: no task with a role can run
    // Called before an interface of a task (network mode awsvpc) is made, for each that is there in
    // open(), and after its removal, on any thread. Must not block.
    InterfaceListener interfaces{};
    HostPlugins* plugins = nullptr;  // of this host; none: it has no devices
  };
  // Gets one record at a time; false ends the stream.
  using LogSink = std::function<bool(const v1::LogRecord&)>;

  // Opens the data directory (one Tasks at a time; a second is refused with PRECONDITION), finds running containers
  // again, goes on with half-done starts and stops, removes what belongs to no task.
  static sdk::Result<std::unique_ptr<Tasks>> open(TasksConfig config, Outside outside);

  // As shutdown().
  ~Tasks();
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;

  // Takes a task over. Idempotent by task_id, also when it has stopped. Blocks for one write to disk.
  // Errors: INVALID or UNIMPLEMENTED with the member at fault; ALREADY_EXISTS for an id that was forgotten;
  // UNAVAILABLE after shutdown. With an error the task does not run and never will.
  sdk::Result<void> start(const v1::StartTaskRequest& request);

  // Begins to stop a task; what follows is reported. Idempotent. With `force`, containers are killed at once.
  // Errors: NOT_FOUND where the id was never started here.
  sdk::Result<void> stop(const v1::StopTaskRequest& request);

  // Stops every task of which a device is lost: `loss` says why, or nothing.
  void stop_without_devices(const std::function<std::optional<std::string>(const std::string& device_id)>& loss);

  // The latest report of every task that is not forgotten, in order of task_id.
  [[nodiscard]] std::vector<v1::TaskReport> list() const;

  // Drops the records of those of these tasks that are STOPPED; others and unknown ones are ignored.
  void forget(const std::vector<std::string>& task_ids);

  // Sends the log lines asked for, blocks the caller's thread until the end (with follow: until the task has stopped), until
  // `cancel` or until the sink says no. The value is the number of records sent.
  // Errors: NOT_FOUND for an unknown task or container; PRECONDITION where none of them keeps a log; UNAVAILABLE with too many followers.
  sdk::Result<std::uint64_t> logs(const v1::LogsRequest& request, const LogSink& sink,
                                  std::stop_token cancel);

  // Runs a command in a running container, blocks the caller's thread until it has ended, and gives its exit code. `input` may be
  // filled meanwhile. Errors: NOT_FOUND for an unknown task or container; PRECONDITION where it does not run; INVALID where the
  // command cannot be run; UNAVAILABLE with too many at a time; CANCELLED by `cancel` or the sink: the command is ended then.
  sdk::Result<int> exec(const v1::ExecRequest& request, ExecInput& input, const ExecIo& io, std::stop_token cancel);

  // Counters of the running containers of a task, or of all tasks. Errors: NOT_FOUND for an unknown task.
  [[nodiscard]] sdk::Result<std::vector<v1::ContainerStats>> stats(const std::string& task_id) const;

  // The images of this host. Valid until: as this object; its pulls end in shutdown().
  [[nodiscard]] HostImages& images();

  // News of the interfaces of other hosts: routes to them and their security groups follow.
  void take_peers(const PeerNews& news);
  // No task with a network of its own reaches these: the control plane's. Replaces those before.
  void close_doors(const Doors& doors);

  // "crun 1.8.1".
  [[nodiscard]] const std::string& runtime_version() const;

  // Ends work on this side and leaves the containers running. Later calls answer UNAVAILABLE.
  void shutdown();

 private:
  class Impl;
  explicit Tasks(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime
