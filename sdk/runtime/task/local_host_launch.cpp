// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost that makes a container and begins its program.
#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/image/rootfs.hpp"
#include "sdk/runtime/image/user.hpp"
#include "sdk/runtime/options/container_options.hpp"
#include "sdk/runtime/options/firelens.hpp"
#include "sdk/runtime/secrets/secret_place.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/either_stop.hpp"
#include "sdk/runtime/task/host_files.hpp"
#include "sdk/runtime/task/local_host.hpp"
#include "sdk/runtime/task/log_router.hpp"
#include "sdk/runtime/task/reasons.hpp"
#include "sdk/runtime/task/task_limits.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
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

Result<void> LocalHost::fill_spec(const TaskSpec& task, std::size_t container,
                                  const image::Image& image, ContainerSpec& spec) {
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
    for (const auto& [name, value] : link_variables(definition.name(), other))
      add_default(spec.env, name, value);
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

Result<void> LocalHost::fill_log(const TaskSpec& task, std::size_t container,
                                 const image::Image& image, const std::stop_token& cancel,
                                 ContainerSpec& spec) {
  const std::string& task_id = task.request.task_id();
  const auto& definition =
      task.request.definition().container_definitions(static_cast<int>(container));
  auto plan = read_log_options(task.request, container);
  if (!plan) return plan.error();
  const fs::path path = log_path(config_.data_dir, task_id, definition.name());
  if (auto made = make_directory(path.parent_path()); !made) return made;
  if (std::holds_alternative<NoLog>(plan->driver)) return keep_no_log(path);
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
  if (options::is_routed(definition)) shipment.set_router_socket(router_socket(task_dir(task_id)));
  const EitherStop stop(cancel, closing_.get_token());
  if (auto begun = forwarder_->begin(path, shipment, stop.token()); !begun) {
    return sdk::fail(
        begun.error().status,
        "CannotStartContainerError: failed to initialize logging driver: " + begun.error().message);
  }
  return {};
}

Result<void> LocalHost::fill_options(const TaskSpec& task, std::size_t container,
                                     const image::Image& image, ContainerSpec& spec) {
  const v1::StartTaskRequest& request = task.request;
  auto options = options::read_container_options(request.definition(), static_cast<int>(container));
  if (!options) return options.error();
  spec.options = std::move(*options);
  spec.init_program = init_program_;
  const ContainerMounts::Place place{
      .image_volumes = image.config.volumes, .rootfs = spec.rootfs, .ids = spec.ids};
  if (auto mounted = mounts_->prepare(request, static_cast<int>(container), place, spec.options);
      !mounted) {
    return mounted;
  }
  return namespaces_->join(request, cgroup_of(request.task_id()), spec.options);
}

Result<void> LocalHost::fill_router(const TaskSpec& task, std::size_t container,
                                    const std::stop_token& cancel, ContainerSpec& spec) {
  const v1::StartTaskRequest& request = task.request;
  const auto router = options::read_log_router(request.definition());
  if (!router) return router.error();
  if (!*router) return {};
  const auto& definition = request.definition().container_definitions(static_cast<int>(container));
  if (static_cast<std::size_t>((*router)->container) == container) {
    RouterFiles files{.task_dir = task_dir(request.task_id()),
                      .uid = spec.ids.on_host(spec.uid),
                      .gid = spec.ids.on_host(spec.gid),
                      .ec2_instance_id = config_.ec2_instance_id};
    if (!(*router)->own_object.empty()) {
      auto text = identity_->router_object(request, (*router)->own_object, cancel);
      if (!text) return text.error();
      files.object = std::move(*text);
    }
    auto mounts = make_router_files(request, **router, files);
    if (!mounts) return mounts.error();
    for (MountSpec& mount : *mounts) add_mount(spec.options, std::move(mount));
    return {};
  }
  if (!options::is_routed(definition)) return {};
  if (const std::string host =
          router_address(request, static_cast<std::size_t>((*router)->container));
      !host.empty()) {
    put_env(spec.env, "FLUENT_HOST", host);
    put_env(spec.env, "FLUENT_PORT", std::to_string(options::kRouterPort));
  }
  return {};
}

Result<LocalHost::Made> LocalHost::make(const TaskSpec& task, std::size_t container,
                                        const ContainerState& state,
                                        const std::stop_token& cancel) {
  const std::string& task_id = task.request.task_id();
  const std::string id = container_id(task_id, container);
  const auto image = images_->held(id);
  if (!image)
    return sdk::fail(BERTH_INTERNAL, "the image of the container is not on this host any more");
  auto limits = read_task_limits(task.request, config_.cpu_period);
  if (!limits) return limits.error();
  if (config_.allowance.pids > 0) limits->pids = config_.allowance.pids;
  {
    const std::lock_guard lock(
        task_mutexes_[std::hash<std::string>{}(task_id) % task_mutexes_.size()]);
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
    BERTH_FAILPOINT("task.after_ids");
  }
  if (auto made_disk = make_disk(task); !made_disk) return made_disk.error();
  auto rootfs = image::mount_rootfs(*image, written_dir(task_id, container),
                                    {.ids = made.spec.ids, .target = rootfs_target(id)});
  if (!rootfs) return rootfs.error();
  made.spec.id = id;
  made.spec.run = state.restart_count();
  made.spec.bundle_dir = directory / "bundle";
  made.spec.rootfs = std::move(*rootfs);
  if (auto around = surround(task, made.endpoint, made.spec); !around) return around.error();
  made.spec.netns_path = made.endpoint.netns_path;
  made.spec.hostname = hostname_of(task, container, !made.spec.netns_path.empty());
  if (auto filled = fill_spec(task, container, *image, made.spec); !filled) return filled.error();
  if (auto set = set_network_controls(made.spec); !set) return set.error();
  if (auto given =
          identity_->give_secrets(task.request, container, directory / "secret", cancel, made.spec);
      !given) {
    return given.error();
  }
  if (auto served = identity_->attach(task.request, container, made.endpoint, *image, wall_ms());
      !served) {
    return served.error();
  }
  if (auto filled = fill_router(task, container, cancel, made.spec); !filled) return filled.error();
  for (const std::string& entry : identity_->environment(task.request, container, made.endpoint)) {
    const auto equals = entry.find('=');
    put_env(made.spec.env, entry.substr(0, equals), entry.substr(equals + 1));
  }
  if (auto filled = fill_log(task, container, *image, cancel, made.spec); !filled)
    return filled.error();
  if (auto given = give_devices(task, container, made.spec); !given) return given.error();
  if (auto written = write_etc(task, container, made.endpoint, made.spec); !written)
    return written.error();
  return made;
}

LaunchEnded LocalHost::launch(const TaskSpec& task, std::size_t container,
                              const ContainerState& state, bool find_only, std::stop_token cancel) {
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
  const bool has_run =
      is_this_run && (found->phase == ContainerPhase::Running || found->started_at_ns != 0);
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
    // A half-made one goes first. Its program never ran: the mark of a start is set before that. So
    // does one that ended and is to be started again: its end is on disk before this is asked for.
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

}  // namespace berth::runtime
