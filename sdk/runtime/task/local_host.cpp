// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/local_host.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/image/rootfs.hpp"
#include "sdk/runtime/options/firelens.hpp"
#include "sdk/runtime/options/isolation.hpp"
#include "sdk/runtime/secrets/secret_place.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/host_files.hpp"
#include "sdk/runtime/task/reasons.hpp"
#include "sdk/runtime/task/task_limits.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

constexpr std::chrono::milliseconds kKillTimeout{2'000};
constexpr std::chrono::milliseconds kRouterPatience{5'000};  // of a stop, with logs that are on their way to a router
constexpr const char* kNoLog = "none";  // in place of a log

bool succeeded(const Result<void>& result, const std::string& what) {
  if (!result) spdlog::warn("tasks: {}: {}", what, result.error().message);
  return result.has_value();
}

image::PullBehaviour behaviour_of(PullBehaviour behaviour) {
  switch (behaviour) {
    case PullBehaviour::Always: return image::PullBehaviour::Always;
    case PullBehaviour::Once: return image::PullBehaviour::Once;
    case PullBehaviour::PreferCached: return image::PullBehaviour::PreferCached;
    case PullBehaviour::Default: break;
  }
  return image::PullBehaviour::Default;
}

}  // namespace

fs::path log_path(const fs::path& data_dir, const std::string& task_id, const std::string& container) {
  return data_dir / "logs" / task_id / container / "json.log";
}

Result<void> keep_no_log(const fs::path& log) { return write_file(log.parent_path() / kNoLog, ""); }

bool has_no_log(const fs::path& log) { return fs::exists(log.parent_path() / kNoLog); }

LocalHost::LocalHost(TasksConfig config, image::RegistryAccess& registry)
    : config_(std::move(config)), registry_(registry) {
  LogOutside outside;
  outside.journal_socket = config_.journal_socket;
  outside.syslog_socket = config_.syslog_socket;
  forwarder_ = std::make_unique<LogForwarder>(std::move(outside));
}

Result<std::unique_ptr<LocalHost>> LocalHost::open(const TasksConfig& config,
                                                   image::RegistryAccess& registry,
                                                   InterfaceListener interfaces,
                                                   Roles::Source credentials, HostPlugins* plugins) {
  std::unique_ptr<LocalHost> host(new LocalHost(config, registry));
  host->listener_ = std::move(interfaces);
  host->plugins_ = plugins;
  const fs::path& data = config.data_dir;
  auto cgroups = Cgroups::open();
  if (!cgroups) return cgroups.error();
  host->cgroups_ = std::make_unique<Cgroups>(std::move(*cgroups));
  auto images = image::ImageStore::open(data / "images");
  if (!images) return images.error();
  host->images_ = std::move(*images);
  host->host_images_ = std::make_unique<HostImages>(
      *host->images_, registry,
      HostImages::Options{.behaviour = behaviour_of(config.pull),
                          .minimum_age = config.image_minimum_age,
                          .max_gib = config.image_max_gib,
                          .directory = (data / "images").string()});
  host->cleaner_ = std::make_unique<image::Cleaner>(
      *host->images_,
      image::CleaningOptions{.interval = keeps_images(config) ? std::chrono::seconds{0} : config.image_cleanup_interval,
                             .minimum_age = config.image_minimum_age,
                             .most = config.images_per_cleanup,
                             .free_percent = config.image_free_percent},
      [directory = (data / "images").string()] { return image::free_percent_of(directory); });
  if (auto networks = host->open_networks(); !networks) return networks.error();
  std::error_code error;
  const fs::path monitor = !config.monitor.empty()
                               ? config.monitor
                               : fs::read_symlink("/proc/self/exe", error).parent_path() / "berth-monitor";
  auto runtime = ContainerRuntime::open({.runtime = config.runtime,
                                         .options = config.runtime_options,
                                         .state_root = data / "runtime",
                                         .monitor = monitor});
  if (!runtime) return runtime.error();
  host->runtime_ = std::move(*runtime);
  host->init_program_ = monitor.parent_path() / "berth-init";
  if (auto ids = host->open_id_ranges(); !ids) return ids.error();
  auto volumes = volume::VolumeStore::open(data / "volumes");
  if (!volumes) return volumes.error();
  host->volumes_ = std::move(*volumes);
  host->disks_ = std::make_unique<TaskDisks>(data / "disks");
  if (config.allowance.disk_gib > 0 && !TaskDisks::possible()) {
    return sdk::fail(BERTH_PRECONDITION,
                     "task_limits.disk_gib: this host makes no disks for tasks: mkfs.ext4 (e2fsprogs) or loop devices are missing",
                     "task_limits.disk_gib");
  }
  host->mounts_ = std::make_unique<ContainerMounts>(*host->volumes_, data / "tasks");
  host->namespaces_ = std::make_unique<TaskNamespaces>(
      *host->runtime_, *host->volumes_,
      TaskNamespaces::Config{.tasks_dir = data / "tasks", .init_program = host->init_program_});
  auto identity = TaskIdentity::open(
      {.directory = data / "endpoints", .instance_tags = config.instance_tags}, config.secret_settings, std::move(credentials),
      [raw = host.get()](const std::string& task_id, const std::string& container, const std::string& id) {
        return raw->stats(task_id, container, id);
      });
  if (!identity) return identity.error();
  host->identity_ = std::move(*identity);
  host->runtime_->end_leftover_execs();
  return host;
}

fs::path LocalHost::task_dir(const std::string& task_id) const { return config_.data_dir / "tasks" / task_id; }

fs::path LocalHost::container_dir(const std::string& task_id, std::size_t container) const {
  return task_dir(task_id) / std::to_string(container);
}

std::string LocalHost::rootfs_target(const std::string& container_id) const {
  return id_ranges_ ? (config_.rootfs_dir / container_id).string() : "";
}

std::string LocalHost::cgroup_of(const std::string& task_id) const {
  return "/" + config_.cgroup_parent + "/" + task_id;
}

Result<void> LocalHost::check(const TaskSpec& task) {
  const auto& containers = task.request.definition().container_definitions();
  for (int i = 0; i < containers.size(); ++i) {
    const std::string member = "containerDefinitions[" + std::to_string(i) + "].";
    if (auto fine = check_secrets(containers[i], member); !fine) return fine;
  }
  const auto disk = config_.allowance.disk_gib > 0 ? TaskDisk::Own : TaskDisk::Host;
  if (auto fine = check_supported(task.request, disk); !fine) return fine;
  if (auto fine = check_disk(task.request); !fine) return fine;
  if (auto fine = check_devices(task.request); !fine) return fine;
  return options::check_isolation(
      task.request.definition(),
      {.sandboxed = runtime_->sandboxed(), .user_namespaces = id_ranges_ != nullptr});
}

// ---- Pull

Result<Host::Pulled> LocalHost::pull(const TaskSpec& task, std::size_t container, const Progress& progress,
                                     std::stop_token cancel) {
  const auto& definition = task.request.definition();
  const auto& wanted = definition.container_definitions(static_cast<int>(container));
  const auto& overrides = task.request.overrides();
  const std::string holder = container_id(task.request.task_id(), container);
  if (auto had = identity_->await_role(task.request, cancel); !had) return had.error();
  image::PullOptions options;
  options.limits.unpacked_bytes = std::uint64_t{config_.image_max_gib} << 30;
  options.behaviour = behaviour_of(config_.pull);
  options.execution_role_arn =
      overrides.has_execution_role_arn() ? overrides.execution_role_arn() : definition.execution_role_arn();
  options.credentials = wanted.repository_credentials().credentials_parameter();
  options.holder = holder;
  options.cancel = cancel;
  const auto pinned = task.request.pinned_digests().find(wanted.name());
  if (pinned != task.request.pinned_digests().end()) options.pinned_digest = pinned->second;
  std::string resolved;
  options.on_resolved = [&](const std::string& digest) { resolved = digest; };
  options.on_progress = [&](const image::PullProgress& now) {
    v1::PullProgress told;
    told.set_image_digest(resolved);
    told.set_container(wanted.name());
    told.set_image(wanted.image());
    told.set_bytes_done(static_cast<std::int64_t>(now.bytes_done));
    told.set_bytes_total(static_cast<std::int64_t>(now.bytes_total));
    told.set_layers_done(now.layers_done);
    told.set_layers_total(now.layers_total);
    progress(told);
  };
  auto image = host_images_->fetch(wanted.image(), options);
  if (!image) return sdk::fail(image.error().status, reason_of("CannotPullContainerError", image.error()));
  if (cancel.stop_requested()) {
    // The task's clean-up may be over already, and would not come back for this.
    images_->release(holder);
    return sdk::fail(BERTH_CANCELLED, "CannotPullContainerError: the task was stopped");
  }
  return Pulled{image->digest, image->id, parse_signal(image->config.stop_signal)};
}

// ---- While it runs

HealthResult LocalHost::check_health(const TaskSpec& task, std::size_t container, std::stop_token cancel) {
  const HealthPlan& plan = *task.plan.containers[container].health;
  HealthResult out;
  auto ran = runtime_->exec(container_id(task.request.task_id(), container),
                            {.args = plan.args,
                             .timeout = std::chrono::milliseconds(plan.timeout_ms),
                             .max_output = kMostHealthOutput,
                             .cancel = std::move(cancel)});
  if (!ran) {
    out.output = ran.error().message;
    return out;
  }
  out.exit_code = ran->exit_code;
  out.output = std::move(ran->output);
  if (ran->timed_out) {
    out.output = "it took longer than its timeout of " + std::to_string(plan.timeout_ms / 1000) + " s" +
                 (out.output.empty() ? "" : ": " + out.output);
  }
  return out;
}

void LocalHost::watch(const TaskSpec& task, std::size_t container, std::function<void(Exited)> ended) {
  const std::string id = container_id(task.request.task_id(), container);
  watcher_.add([this, id] { return runtime_->watch(id); }, [ended = std::move(ended)](const std::optional<ContainerExit>& exit) {
    Exited fact;
    if (exit) {
      fact.exit_code = exit->exit_code;
      fact.out_of_memory = exit->oom_killed();
      fact.at_ms = exit->finished_at_ns / 1'000'000;
    }
    ended(fact);
  });
}

bool LocalHost::signal(const TaskSpec& task, std::size_t container, int number) {
  const std::string id = container_id(task.request.task_id(), container);
  const auto& definition = task.request.definition().container_definitions(static_cast<int>(container));
  if (definition.has_firelens_configuration() && number != SIGKILL) await_routed_logs(task, container);
  const auto sent = runtime_->signal(id, number);
  return (!sent && sent.error().status == BERTH_NOT_FOUND) || succeeded(sent, "signal to " + id);
}

// The containers whose logs go to it have ended before a router is told to: it gets the last of their lines first.
void LocalHost::await_routed_logs(const TaskSpec& task, std::size_t router) {
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds stop_timeout(task.plan.containers[router].stop_timeout_ms);
  const auto until = Clock::now() + std::min(kRouterPatience, stop_timeout / 2);
  for (const auto& definition : task.request.definition().container_definitions()) {
    if (!options::is_routed(definition)) continue;
    const fs::path log = log_path(config_.data_dir, task.request.task_id(), definition.name());
    forwarder_->end(log);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (!forwarder_->await_sent(log, std::max(left, std::chrono::milliseconds(0)), closing_.get_token())) {
      spdlog::warn("tasks: the log router of {} did not take all of the log of {}", task.request.task_id(), definition.name());
    }
  }
}

// ---- Afterwards

bool LocalHost::remove(const TaskSpec& task, std::size_t container) {
  const std::string& task_id = task.request.task_id();
  const std::string id = container_id(task_id, container);
  const fs::path directory = container_dir(task_id, container);
  if (!succeeded(runtime_->remove(id), "remove " + id)) return false;
  forwarder_->end(log_path(config_.data_dir, task_id, task.plan.containers[container].name));
  BERTH_FAILPOINT("task.after_runtime_remove");
  identity_->detach(task_id, container);
  if (!succeeded(cni_->detach(id), "detach " + id)) return false;
  if (!succeeded(network_->detach(id), "detach " + id)) return false;
  if (!succeeded(image::remove_rootfs(written_dir(task_id, container), rootfs_target(id)), "root file system of " + id)) return false;
  if (!succeeded(secrets::close_place(directory / "secret"), "secrets of " + id)) return false;
  std::error_code error;
  fs::remove_all(directory, error);
  if (error) spdlog::warn("tasks: {}: {}", directory.string(), error.message());
  images_->release(id);
  return !error;
}

bool LocalHost::cleanup(const TaskSpec& task) {
  const std::string& task_id = task.request.task_id();
  identity_->forget(task_id);
  // Also of containers that got no farther than their image.
  for (std::size_t i = 0; i < task.plan.containers.size(); ++i) images_->release(container_id(task_id, i));
  if (!succeeded(namespaces_->remove(task_id), "namespaces of " + task_id)) return false;
  {
    const std::lock_guard lock(task_mutexes_[std::hash<std::string>{}(task_id) % task_mutexes_.size()]);
    if (!succeeded(cgroups_->remove(cgroup_of(task_id), kKillTimeout), "cgroup of " + task_id)) return false;
  }
  if (!take_devices_back(task)) return false;
  if (!detach_interface(task)) return false;
  for (const auto& definition : task.request.definition().container_definitions()) {
    if (options::is_routed(definition)) forwarder_->give_up(log_path(config_.data_dir, task_id, definition.name()));
  }
  BERTH_FAILPOINT("task.before_volumes");
  if (!succeeded(volumes_->release(task_id), "volumes of " + task_id)) return false;
  if (!succeeded(disks_->release(task_id), "disk of " + task_id)) return false;
  if (id_ranges_ && !succeeded(id_ranges_->release(task_id), "ids of " + task_id)) return false;
  std::error_code error;
  fs::remove_all(config_.data_dir / "tasks" / task_id, error);
  if (error) spdlog::warn("tasks: files of {}: {}", task_id, error.message());
  return !error;
}

bool LocalHost::drop_logs(const std::string& task_id) {
  std::error_code error;
  forwarder_->drop(config_.data_dir / "logs" / task_id);
  fs::remove_all(config_.data_dir / "logs" / task_id, error);
  return !error;
}

void LocalHost::begin_close() {
  closing_.request_stop();
  if (plugins_) plugins_->begin_close();
  identity_->begin_close();
}

void LocalHost::close() {
  watcher_.stop();
  if (identity_) identity_->close();
  forwarder_->stop();
}

}  // namespace berth::runtime
