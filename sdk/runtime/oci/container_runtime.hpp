// SPDX-License-Identifier: Apache-2.0
// Makes, starts, signals, watches and removes containers by an OCI runtime (crun, runc, ...), each
// under a monitor of its own.
//
// Invariants: 1. All state is in `state_root`: another ContainerRuntime over the same directory, in
// this process or after a restart, sees the same containers. 2. A container's program starts at
// most once. 3. Containers and monitors outlive the process that made them. 4. After remove()
// nothing is left of a container but its log. Threads: any; calls for one id one at a time, except
// that signal(), exec(), watch() and inspect() may come at any time. Errors: INVALID a spec that no runtime
// could run; NOT_FOUND unknown id; ALREADY_EXISTS; PRECONDITION wrong phase; INTERNAL the runtime
// failed: `message` is then complete for an ECS reason ("CannotStartContainerError: ..."), `reason`
// is its first word; DEADLINE; UNAVAILABLE out of processes or descriptors.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/oci/container.hpp"
#include "sdk/runtime/oci/exec_call.hpp"
#include "sdk/runtime/oci/exec_session.hpp"
#include "sdk/runtime/oci/spec_builder.hpp"

namespace berth::runtime {

struct RuntimeConfig {
  std::string runtime = "crun";                    // a name in PATH or a path
  std::vector<std::string> options{};              // before its commands, e.g. "--platform=kvm"
  std::string state_root;                          // absolute; made where missing, mode 0700
  std::string monitor;                             // path of berth-monitor
  std::chrono::milliseconds call_timeout{30'000};  // one call of the runtime
};

// Tells when one container ends. Movable; closing it has no effect on the container.
class ExitWatch {
 public:
  ExitWatch(ExitWatch&& other) noexcept;
  ExitWatch& operator=(ExitWatch&& other) noexcept;
  ~ExitWatch();

  // Readable (POLLIN or POLLHUP) when poll() may have news. Valid until the watch ends.
  [[nodiscard]] int fd() const { return fd_; }

  // The exit where the container has ended, nothing where it has not. Never blocks. After an fd was
  // readable for a monitor's death, fd() may be another one: ask it again after each call.
  // Errors: UNAVAILABLE it cannot be told now (no descriptor is left): call it again later.
  [[nodiscard]] sdk::Result<std::optional<ContainerExit>> poll();

  // Blocks until the end. Errors: DEADLINE; UNAVAILABLE as poll().
  [[nodiscard]] sdk::Result<ContainerExit> wait(std::chrono::milliseconds timeout);

 private:
  friend class ContainerRuntime;
  ExitWatch(std::string state_dir, int fd, bool on_monitor);
  static sdk::Result<ExitWatch> begin(std::string state_dir);
  static sdk::Result<ExitWatch> ended(std::string state_dir);
  void close_fd();
  std::string state_dir_;
  int fd_ = -1;
  bool on_monitor_ = false;  // else on the container's init
};

class ContainerRuntime {
 public:
  // Finds the runtime and the monitor. Errors: NOT_FOUND names the program that is missing.
  static sdk::Result<std::unique_ptr<ContainerRuntime>> open(RuntimeConfig config);
  ~ContainerRuntime();
  ContainerRuntime(const ContainerRuntime&) = delete;
  ContainerRuntime& operator=(const ContainerRuntime&) = delete;

  // Makes the container up to, not including, its program's first instruction. Blocks (10 to 30 ms
  // with crun). After an error nothing is left of it.
  [[nodiscard]] sdk::Result<ContainerHandle> create(const ContainerSpec& spec);

  // Runs the program of a Created container and gives the time of it. Idempotent: Running or
  // Stopped after having run is fine.
  [[nodiscard]] sdk::Result<std::int64_t> start(const std::string& id);

  // Sends a signal to the container's init; nothing to send it to is fine.
  [[nodiscard]] sdk::Result<void> signal(const std::string& id, int signo);

  // Runs a command in a Running container to its end, or to that of its time. Errors: as open_exec().
  [[nodiscard]] sdk::Result<ExecOutcome> exec(const std::string& id, const ExecCall& call) const;

  // Watches for the end of a container that exists, also one that has ended already.
  [[nodiscard]] sdk::Result<ExitWatch> watch(const std::string& id);

  // What is known of a container now; the way to find one again after a restart.
  [[nodiscard]] sdk::Result<ContainerView> inspect(const std::string& id) const;

  // Ids of all containers in the state root, also half-made and stopped ones, in order.
  [[nodiscard]] sdk::Result<std::vector<std::string>> list() const;

  // Runs a command in a Running container, under a monitor that ends it when this process ends.
  // Blocks (about 10 ms with crun). Errors: also INVALID where the runtime cannot run the command,
  // with its words.
  [[nodiscard]] sdk::Result<std::unique_ptr<ExecSession>> open_exec(const std::string& id,
                                                                    const ExecSpec& spec);

  // Ends what open_exec() of an earlier process over this state root has left. For the one owner of
  // the state root, before its first exec().
  void end_leftover_execs();

  // Kills what still runs and removes all of it: processes, runtime state, cgroup leaf,
  // config.json, state directory. Idempotent; unknown ids are fine. The log and the rootfs are the
  // caller's.
  [[nodiscard]] sdk::Result<void> remove(const std::string& id);

  // What of the spec's wishes this host cannot give in full, a sentence each.
  [[nodiscard]] std::vector<std::string> lowered_wishes(const ContainerSpec& spec) const;

  // "crun 1.8.1".
  [[nodiscard]] const std::string& version() const { return version_; }
  // Whether its containers are sandboxes (runsc), which share no namespaces.
  [[nodiscard]] bool sandboxed() const;
  // The runtime's path.
  [[nodiscard]] const std::string& path() const { return config_.runtime; }

 private:
  explicit ContainerRuntime(RuntimeConfig config);
  [[nodiscard]] sdk::Result<ExecSession::Place> exec_place(const std::string& id) const;
  [[nodiscard]] std::string state_dir(const std::string& id) const;
  [[nodiscard]] std::string orders_for(const ContainerSpec& spec, const std::string& program) const;
  [[nodiscard]] sdk::Result<ContainerHandle> launch(const ContainerSpec& spec);
  [[nodiscard]] sdk::Result<void> remove_leftovers(const std::string& id);

  RuntimeConfig config_;
  std::string version_;
  HostAbilities host_;
  std::vector<std::string> hierarchies_;  // mount points of the cgroups that containers are in
  bool hide_cgroup2_ = false;
  std::vector<std::string> escapes_;  // where monitors leave the agent's cgroup; empty: no need
};

}  // namespace berth::runtime
