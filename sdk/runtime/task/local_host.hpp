// SPDX-License-Identifier: Apache-2.0
// The real Host: images, networks, cgroups and the OCI runtime of this machine.
//
// Invariant: everything that belongs to container i of a task is found by its id, TASK-i, after any restart: the image
// held under it, its endpoint, its runtime state; its files are in DATA/tasks/TASK/i, its log in DATA/logs/TASK/NAME.
// Threads: any, as Host says.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>

#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/cni/cni_network.hpp"
#include "sdk/runtime/devices/host_plugins.hpp"
#include "sdk/runtime/disk/disk_use.hpp"
#include "sdk/runtime/disk/task_disks.hpp"
#include "sdk/runtime/image/cleaner.hpp"
#include "sdk/runtime/image/image_store.hpp"
#include "sdk/runtime/network/interface_network.hpp"
#include "sdk/runtime/logship/log_forwarder.hpp"
#include "sdk/runtime/network/task_network.hpp"
#include "sdk/runtime/oci/container_runtime.hpp"
#include "sdk/runtime/task/container_mounts.hpp"
#include "sdk/runtime/task/exit_watcher.hpp"
#include "sdk/runtime/task/host.hpp"
#include "sdk/runtime/task/host_images.hpp"
#include "sdk/runtime/task/id_ranges.hpp"
#include "sdk/runtime/task/links.hpp"
#include "sdk/runtime/task/task_identity.hpp"
#include "sdk/runtime/task/task_namespaces.hpp"
#include "sdk/runtime/task/tasks.hpp"
#include "sdk/runtime/volume/volume_store.hpp"

namespace berth::runtime {

// The log of a container, whose directory outlives the task.
[[nodiscard]] std::filesystem::path log_path(const std::filesystem::path& data_dir, const std::string& task_id,
                                             const std::string& container);
// Whether its driver keeps none; and the note that says so.
[[nodiscard]] sdk::Result<void> keep_no_log(const std::filesystem::path& log);
[[nodiscard]] bool has_no_log(const std::filesystem::path& log);

class LocalHost : public Host {
 public:
  static sdk::Result<std::unique_ptr<LocalHost>> open(const TasksConfig& config,
                                                      image::RegistryAccess& registry,
                                                      InterfaceListener interfaces = {},
                                                      Roles::Source credentials = {},
                                                      HostPlugins* plugins = nullptr);
  ~LocalHost() override { close(); }

  sdk::Result<void> check(const TaskSpec& task) override;
  sdk::Result<Pulled> pull(const TaskSpec& task, std::size_t container, const Progress& progress,
                           std::stop_token cancel) override;
  LaunchEnded launch(const TaskSpec& task, std::size_t container, const ContainerState& state,
                     bool find_only, std::stop_token cancel) override;
  HealthResult check_health(const TaskSpec& task, std::size_t container, std::stop_token cancel) override;
  void watch(const TaskSpec& task, std::size_t container, std::function<void(Exited)> ended) override;
  bool signal(const TaskSpec& task, std::size_t container, int number) override;
  bool remove(const TaskSpec& task, std::size_t container) override;
  bool cleanup(const TaskSpec& task) override;
  bool drop_logs(const std::string& task_id) override;
  void sweep(const std::vector<TaskSpecPtr>& tasks, const std::set<std::string>& with_logs) override;
  void begin_close() override;
  void close() override;

  // Where a task stands, for those that ask at its endpoints.
  void learn(const v1::TaskReport& report) { identity_->learn(report); }

  // Runs a command in a running container, whose runtime_id is its id here. Errors: those of ContainerRuntime::open_exec.
  sdk::Result<std::unique_ptr<ExecSession>> exec(const std::string& id, const ExecSpec& spec) {
    return runtime_->open_exec(id, spec);
  }
  // Counters of a running container, read from its cgroup and its namespace: some fifteen small files, no process.
  // Errors: NOT_FOUND where it does not run.
  [[nodiscard]] sdk::Result<v1::ContainerStats> stats(const std::string& task_id, const std::string& container,
                                                      const std::string& id) const;
  // What a task takes of the disk of the data directory: files, volumes of its own, logs. A walk.
  [[nodiscard]] DiskUse disk_use(const std::string& task_id) const;
  // Whether an image went that nobody uses, at once however young; none does where room is no reason.
  bool drop_unused_images() {
    return config_.image_free_percent > 0 && !keeps_images(config_) &&
           images_->remove_unused(std::chrono::seconds{0}, config_.images_per_cleanup) > 0;
  }
  // For those who look after the host.
  [[nodiscard]] HostImages& images() { return *host_images_; }
  // News of other hosts' interfaces; and the control plane's doors, which tasks must not reach.
  void take(const PeerNews& news);
  void close_doors(const Doors& doors);

  [[nodiscard]] const std::string& runtime_version() const { return runtime_->version(); }

 private:
  struct Made;
  LocalHost(TasksConfig config, image::RegistryAccess& registry);
  [[nodiscard]] std::filesystem::path task_dir(const std::string& task_id) const;
  [[nodiscard]] std::filesystem::path container_dir(const std::string& task_id, std::size_t container) const;
  // What the container writes: on the task's disk where it has one.
  [[nodiscard]] std::filesystem::path written_dir(const std::string& task_id, std::size_t container) const;
  // The task's disk, where tasks have one, with its volumes on it.
  sdk::Result<void> make_disk(const TaskSpec& task);
  // Whether a disk of the size that the task asks for can be made.
  [[nodiscard]] sdk::Result<void> check_disk(const v1::StartTaskRequest& request) const;
  [[nodiscard]] std::string cgroup_of(const std::string& task_id) const;
  sdk::Result<void> open_networks();
  sdk::Result<void> open_id_ranges();
  // What a container with ids of its own may not set in its network.
  sdk::Result<void> set_network_controls(const ContainerSpec& spec) const;
  // Where the root file system is mounted; empty: below the container's directory.
  [[nodiscard]] std::string rootfs_target(const std::string& container_id) const;
  sdk::Result<Made> make(const TaskSpec& task, std::size_t container, const ContainerState& state, const std::stop_token& cancel);
  sdk::Result<Endpoint> attach(const TaskSpec& task, std::size_t container);
  // local_host_devices.cpp: what the host's plugins do for tasks.
  [[nodiscard]] sdk::Result<void> check_devices(const v1::StartTaskRequest& request) const;
  // Before its containers: another network namespace, edits for each.
  sdk::Result<void> surround(const TaskSpec& task, Endpoint& endpoint, ContainerSpec& spec);
  sdk::Result<void> give_devices(const TaskSpec& task, std::size_t container, ContainerSpec& spec);
  bool take_devices_back(const TaskSpec& task);
  // Tells plugins of a new process what runs with their devices.
  void remember_devices(const std::vector<TaskSpecPtr>& tasks);
  sdk::Result<void> add_interface_rules(const TaskSpec& task, TaskInterface& interface);
  void find_interface_rules(const std::string& task_id, TaskInterface& interface) const;
  sdk::Result<Endpoint> attach_interface(const TaskSpec& task);
  bool detach_interface(const TaskSpec& task);
  void sweep_interfaces(const std::vector<TaskSpecPtr>& tasks);
  sdk::Result<void> write_etc(const TaskSpec& task, std::size_t container, const Endpoint& endpoint,
                              ContainerSpec& spec);
  sdk::Result<void> fill_spec(const TaskSpec& task, std::size_t container, const image::Image& image,
                              ContainerSpec& spec);
  sdk::Result<void> fill_options(const TaskSpec& task, std::size_t container, const image::Image& image,
                                 ContainerSpec& spec);
  sdk::Result<std::vector<LinkedContainer>> linked_by(const TaskSpec& task, std::size_t container) const;
  [[nodiscard]] std::string hostname_of(const TaskSpec& task, std::size_t container, bool own_network) const;
  void find_again(const std::vector<TaskSpecPtr>& tasks);
  // Where the log goes, and that it is sent where its driver says.
  sdk::Result<void> fill_log(const TaskSpec& task, std::size_t container, const image::Image& image, const std::stop_token& cancel,
                             ContainerSpec& spec);
  // What a log router reads and where it listens; and where those that log to it find it.
  sdk::Result<void> fill_router(const TaskSpec& task, std::size_t container, const std::stop_token& cancel, ContainerSpec& spec);
  // Empty: programs do not reach it.
  [[nodiscard]] std::string router_address(const v1::StartTaskRequest& request, std::size_t router) const;
  void await_routed_logs(const TaskSpec& task, std::size_t router);
  void sweep_files(const std::set<std::string>& task_ids, const std::set<std::string>& with_logs);

  const TasksConfig config_;
  image::RegistryAccess& registry_;
  std::unique_ptr<image::ImageStore> images_;
  std::unique_ptr<HostImages> host_images_;
  std::unique_ptr<image::Cleaner> cleaner_;
  std::unique_ptr<TaskNetwork> network_;
  std::unique_ptr<CniNetwork> cni_;  // of mode bridge where the operator has a list
  std::unique_ptr<InterfaceNetwork> interfaces_;
  InterfaceListener listener_;
  HostPlugins* plugins_ = nullptr;  // nothing where the host has none
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<ContainerRuntime> runtime_;
  std::unique_ptr<volume::VolumeStore> volumes_;
  std::unique_ptr<TaskDisks> disks_;
  std::unique_ptr<ContainerMounts> mounts_;
  std::unique_ptr<TaskNamespaces> namespaces_;
  std::unique_ptr<IdRanges> id_ranges_;  // nothing where tasks have the host's ids
  std::filesystem::path init_program_;  // berth-init, beside the monitor
  std::unique_ptr<TaskIdentity> identity_;
  std::unique_ptr<LogForwarder> forwarder_;
  std::stop_source closing_;
  ExitWatcher watcher_;
  // The cgroup and the disk of a task are made and removed by one thread at a time; tasks share few
  // mutexes.
  std::array<std::mutex, 16> task_mutexes_;
};

}  // namespace berth::runtime
