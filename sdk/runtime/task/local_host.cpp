// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/local_host.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/image/rootfs.hpp"
#include "sdk/runtime/image/user.hpp"
#include "sdk/runtime/network/name_files.hpp"
#include "sdk/runtime/options/container_options.hpp"
#include "sdk/runtime/options/isolation.hpp"
#include "sdk/runtime/options/names.hpp"
#include "sdk/runtime/secrets/secret_place.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/either_stop.hpp"
#include "sdk/runtime/task/host_files.hpp"
#include "sdk/runtime/task/task_limits.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

constexpr std::chrono::milliseconds kKillTimeout{2'000};
constexpr const char* kNoLog = "none";  // in place of a log

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A reason in ECS's form: "Name: text".
std::string reason_of(const char* name, const sdk::Error& error) {
  const auto colon = error.message.find("Error: ");
  const auto space = error.message.find(' ');
  if (colon != std::string::npos && space == colon + 6) return error.message;
  return std::string(name) + ": " + error.message;
}

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

std::string range_of(std::uint16_t first, std::uint16_t count) {
  return std::to_string(first) + "-" + std::to_string(first + count - 1);
}

v1::ecs::NetworkBinding binding_of(const PublishedPort& port) {
  v1::ecs::NetworkBinding binding;
  binding.set_bind_ip("0.0.0.0");
  if (port.is_range) {
    binding.set_container_port_range(range_of(port.container_port, port.count));
    binding.set_host_port_range(range_of(port.host_port, port.count));
  } else {
    binding.set_container_port(port.container_port);
    binding.set_host_port(port.host_port);
  }
  binding.set_protocol(port.protocol == Protocol::Udp ? "udp" : "tcp");
  return binding;
}

// A sentence for the container's reason.
std::string notice_of(const std::vector<std::string>& lowered) {
  std::string out;
  for (const std::string& one : lowered) out += (out.empty() ? "" : "; ") + one;
  return out;
}

LaunchEnded launch_failed(std::string reason) {
  LaunchEnded out;
  out.outcome = LaunchEnded::Outcome::Failed;
  out.failure = std::move(reason);
  return out;
}

}  // namespace

// What launch() has made before it asks the runtime.
struct LocalHost::Made {
  ContainerSpec spec;
  Endpoint endpoint;
};

fs::path log_path(const fs::path& data_dir, const std::string& task_id, const std::string& container) {
  return data_dir / "logs" / task_id / container / "json.log";
}

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
                                                   Roles::Source credentials) {
  std::unique_ptr<LocalHost> host(new LocalHost(config, registry));
  host->listener_ = std::move(interfaces);
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
                          .directory = (data / "images").string()});
  host->cleaner_ = std::make_unique<image::Cleaner>(
      *host->images_,
      image::CleaningOptions{.interval = config.image_cleanup_interval,
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

fs::path LocalHost::container_dir(const std::string& task_id, std::size_t container) const {
  return config_.data_dir / "tasks" / task_id / std::to_string(container);
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
  options.behaviour = behaviour_of(config_.pull);
  options.execution_role_arn =
      overrides.has_execution_role_arn() ? overrides.execution_role_arn() : definition.execution_role_arn();
  options.credentials = wanted.repository_credentials().credentials_parameter();
  options.holder = holder;
  options.cancel = cancel;
  const auto pinned = task.request.pinned_digests().find(wanted.name());
  if (pinned != task.request.pinned_digests().end()) options.pinned_digest = pinned->second;
  options.on_progress = [&](const image::PullProgress& now) {
    v1::PullProgress told;
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

// ---- Launch

Result<void> LocalHost::fill_spec(const TaskSpec& task, std::size_t container, const image::Image& image,
                                  ContainerSpec& spec) {
  const v1::StartTaskRequest& request = task.request;
  const auto& definition = request.definition().container_definitions(static_cast<int>(container));
  auto process = merge_process(request, container, image.config, spec.hostname);
  if (!process) return process.error();
  auto user = image::resolve_user(spec.rootfs, process->user);
  if (!user) return user.error();
  if (auto held = check_ids(spec.ids, *user); !held) return held;
  const auto limits = read_container_limits(request, container);
  if (!limits) return limits.error();
  spec.args = std::move(process->args);
  spec.env = std::move(process->env);
  const auto linked = linked_by(task, container);
  if (!linked) return linked.error();
  for (const LinkedContainer& other : *linked) {
    for (const auto& [name, value] : link_variables(definition.name(), other)) add_default(spec.env, name, value);
  }
  if (definition.pseudo_terminal()) add_default(spec.env, "TERM", "xterm");
  add_default(spec.env, "HOME", user->home);
  spec.cwd = process->cwd;
  spec.uid = user->uid;
  spec.gid = user->gid;
  spec.additional_gids = user->additional_gids;
  spec.cgroup_path = cgroup_of(request.task_id()) + "/" + definition.name();
  spec.cpu_shares = limits->cpu_shares;
  spec.memory_limit = limits->memory_bytes;
  spec.memory_reservation = limits->reservation_bytes;
  spec.readonly_rootfs = definition.readonly_root_filesystem();
  spec.annotations = merge_labels(request, container, image.config);
  const int stop_signal = parse_signal(image.config.stop_signal);
  if (stop_signal != 0) spec.stop_signal = stop_signal;
  return fill_options(task, container, image, spec);
}

Result<void> LocalHost::fill_log(const TaskSpec& task, std::size_t container, const image::Image& image,
                                 const std::stop_token& cancel, ContainerSpec& spec) {
  const std::string& task_id = task.request.task_id();
  const auto& definition = task.request.definition().container_definitions(static_cast<int>(container));
  auto plan = read_log_options(task.request, container);
  if (!plan) return plan.error();
  const fs::path path = log_path(config_.data_dir, task_id, definition.name());
  if (auto made = make_directory(path.parent_path()); !made) return made;
  if (std::holds_alternative<NoLog>(plan->driver)) return write_file(path.parent_path() / kNoLog, "");
  spec.log.path = path;
  spec.log.max_bytes = plan->max_bytes;
  spec.log.max_files = plan->max_files;
  if (!plan->is_shipped()) return {};
  spec.log.cursor = path.parent_path() / LogForwarder::kCursor;
  spec.log.wait_for_reader = plan->blocking;
  LogShipment shipment;
  shipment.set_driver(definition.log_configuration().log_driver());
  *shipment.mutable_options() = definition.log_configuration().options();
  shipment.set_task_id(task_id);
  shipment.set_task_arn(task.request.task_arn());
  shipment.set_container(definition.name());
  shipment.set_container_id(spec.id);
  shipment.set_short_id(default_hostname(task_id, container));
  shipment.set_image(definition.image());
  shipment.set_image_id(image.id);
  const EitherStop stop(cancel, closing_.get_token());
  if (auto begun = forwarder_->begin(path, shipment, stop.token()); !begun) {
    return sdk::fail(begun.error().status,
                     "CannotStartContainerError: failed to initialize logging driver: " + begun.error().message);
  }
  return {};
}

Result<void> LocalHost::fill_options(const TaskSpec& task, std::size_t container, const image::Image& image,
                                     ContainerSpec& spec) {
  const v1::StartTaskRequest& request = task.request;
  auto options = options::read_container_options(request.definition(), static_cast<int>(container));
  if (!options) return options.error();
  spec.options = std::move(*options);
  spec.init_program = init_program_;
  const ContainerMounts::Place place{
      .image_volumes = image.config.volumes, .rootfs = spec.rootfs, .ids = spec.ids};
  if (auto mounted = mounts_->prepare(request, static_cast<int>(container), place, spec.options); !mounted) {
    return mounted;
  }
  return namespaces_->join(request, cgroup_of(request.task_id()), spec.options);
}
Result<LocalHost::Made> LocalHost::make(const TaskSpec& task, std::size_t container, const ContainerState& state,
                                        const std::stop_token& cancel) {
  const std::string& task_id = task.request.task_id();
  const std::string id = container_id(task_id, container);
  const auto image = images_->held(id);
  if (!image) return sdk::fail(BERTH_INTERNAL, "the image of the container is not on this host any more");
  auto limits = read_task_limits(task.request, config_.cpu_period);
  if (!limits) return limits.error();
  if (config_.allowance.pids > 0) limits->pids = config_.allowance.pids;
  {
    const std::lock_guard lock(cgroup_mutexes_[std::hash<std::string>{}(task_id) % cgroup_mutexes_.size()]);
    if (auto made = cgroups_->make_task(cgroup_of(task_id), *limits); !made) return made.error();
  }
  BERTH_FAILPOINT("task.before_attach");
  auto endpoint = attach(task, container);
  if (!endpoint) return endpoint.error();
  BERTH_FAILPOINT("task.after_attach");
  const fs::path directory = container_dir(task_id, container);
  if (auto made = make_directory(directory); !made) return made.error();
  Made made{.spec = {}, .endpoint = std::move(*endpoint)};
  if (id_ranges_) {
    auto ids = id_ranges_->acquire(task_id);
    if (!ids) return ids.error();
    made.spec.ids = *ids;
  }
  if (auto made_disk = make_disk(task); !made_disk) return made_disk.error();
  auto rootfs = image::mount_rootfs(*image, written_dir(task_id, container),
                                    {.ids = made.spec.ids, .target = rootfs_target(id)});
  if (!rootfs) return rootfs.error();
  made.spec.id = id;
  made.spec.run = state.restart_count();
  made.spec.bundle_dir = directory / "bundle";
  made.spec.rootfs = std::move(*rootfs);
  made.spec.netns_path = made.endpoint.netns_path;
  made.spec.hostname = hostname_of(task, container, !made.spec.netns_path.empty());
  if (auto filled = fill_spec(task, container, *image, made.spec); !filled) return filled.error();
  if (auto set = set_network_controls(made.spec); !set) return set.error();
  if (auto given = identity_->give_secrets(task.request, container, directory / "secret", cancel, made.spec); !given) {
    return given.error();
  }
  if (auto served = identity_->attach(task.request, container, made.endpoint, *image, wall_ms()); !served) {
    return served.error();
  }
  for (const std::string& entry : identity_->environment(task.request, container, made.endpoint)) {
    const auto equals = entry.find('=');
    put_env(made.spec.env, entry.substr(0, equals), entry.substr(equals + 1));
  }
  if (auto filled = fill_log(task, container, *image, cancel, made.spec); !filled) return filled.error();
  if (auto written = write_etc(task, container, made.endpoint, made.spec); !written) return written.error();
  return made;
}

LaunchEnded LocalHost::launch(const TaskSpec& task, std::size_t container, const ContainerState& state,
                              bool find_only, std::stop_token cancel) {
  const std::string id = container_id(task.request.task_id(), container);
  LaunchEnded out;
  out.runtime_id = id;
  std::optional<ContainerView> found;
  if (auto view = runtime_->inspect(id)) {
    found = *view;
  } else if (view.error().status != BERTH_NOT_FOUND) {
    // Not known whether it ran, so it is not begun (again).
    return launch_failed(reason_of("CannotInspectContainerError", view.error()));
  }
  // What an earlier run left is no answer about this one.
  const bool is_this_run = found && found->run == state.restart_count();
  const bool has_run = is_this_run && (found->phase == ContainerPhase::Running || found->started_at_ns != 0);
  if (find_only && !has_run) {
    out.outcome = LaunchEnded::Outcome::NotStarted;
    return out;
  }
  Endpoint endpoint;
  // One whose monitor died can be begun by nobody any more.
  const bool waits = is_this_run && found->phase == ContainerPhase::Created && found->monitor_alive;
  if (has_run || waits) {
    if (auto again = attach(task, container)) endpoint = std::move(*again);
  } else {
    // A half-made one goes first. Its program never ran: the mark of a start is set before that. So does one that ended and is to
    // be started again: its end is on disk before this is asked for.
    if (found) {
      if (auto removed = runtime_->remove(id); !removed) {
        return launch_failed(reason_of("CannotCreateContainerError", removed.error()));
      }
    }
    auto made = make(task, container, state, cancel);
    if (!made && made.error().status == BERTH_CANCELLED) {
      out.outcome = LaunchEnded::Outcome::NotStarted;
      return out;
    }
    if (!made) return launch_failed(reason_of("CannotCreateContainerError", made.error()));
    BERTH_FAILPOINT("task.before_create");
    if (auto created = runtime_->create(made->spec); !created) {
      return launch_failed(reason_of("CannotCreateContainerError", created.error()));
    }
    BERTH_FAILPOINT("task.after_create");
    out.notice = notice_of(runtime_->lowered_wishes(made->spec));
    if (!out.notice.empty()) spdlog::warn("tasks: container {}: {}", id, out.notice);
    endpoint = std::move(made->endpoint);
  }
  // The runtime keeps a copy of the configuration, on disk.
  const fs::path copy = config_.data_dir / "runtime/runtime" / id / "config.json";
  if (has_secret_variables(task.request, container)) {
    if (auto done = secrets::blot_out(copy); !done) {
      return launch_failed(reason_of("CannotCreateContainerError", done.error()));
    }
  }
  auto started = runtime_->start(id);
  if (!started) return launch_failed(reason_of("CannotStartContainerError", started.error()));
  out.outcome = LaunchEnded::Outcome::Started;
  out.started_ms = *started / 1'000'000;
  identity_->started(task.request.task_id(), container, out.started_ms);
  for (const PublishedPort& port : endpoint.ports) out.network_bindings.push_back(binding_of(port));
  return out;
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
  const auto sent = runtime_->signal(id, number);
  return (!sent && sent.error().status == BERTH_NOT_FOUND) || succeeded(sent, "signal to " + id);
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
    const std::lock_guard lock(cgroup_mutexes_[std::hash<std::string>{}(task_id) % cgroup_mutexes_.size()]);
    if (!succeeded(cgroups_->remove(cgroup_of(task_id), kKillTimeout), "cgroup of " + task_id)) return false;
  }
  if (!detach_interface(task)) return false;
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
  identity_->begin_close();
}

void LocalHost::close() {
  watcher_.stop();
  if (identity_) identity_->close();
  forwarder_->stop();
}

}  // namespace berth::runtime
