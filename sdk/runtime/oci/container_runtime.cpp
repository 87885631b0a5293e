// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/container_runtime.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/oci/container_state.hpp"
#include "sdk/runtime/oci/monitor_process.hpp"
#include "sdk/runtime/oci/runtime_program.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

sdk::Error failed(std::string reason, const std::string& why) {
  auto error = sdk::fail(BERTH_INTERNAL, reason + ": " + why);
  error.reason = std::move(reason);
  return error;
}

sdk::Error cannot_create(const std::string& why) {
  return failed("CannotCreateContainerError", why);
}

std::string runtime_name(const ContainerSpec& spec) {
  std::string name;
  for (const auto& edits : spec.edits) {
    if (!edits.runtime().empty()) name = edits.runtime();
  }
  return name;
}

// Hooks that a runtime runs in its start and delete; without them the monitor does these two by
// itself for crun.
bool has_late_hooks(const ContainerSpec& spec) {
  return std::any_of(spec.edits.begin(), spec.edits.end(), [](const v1::OciEdits& edits) {
    return std::any_of(edits.hooks().begin(), edits.hooks().end(), [](const v1::Hook& hook) {
      return hook.name() == "poststart" || hook.name() == "poststop";
    });
  });
}

sdk::Error state_error(const std::string& what) {
  return sdk::fail(BERTH_INTERNAL, what + ": " + std::strerror(errno));
}

// Waits until the peer is gone; packets in between are of no interest.
bool wait_for_end(int fd, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&polled, 1, static_cast<int>(left.count())) == 0) return false;
    char text[64];
    const ssize_t n = ::recv(fd, text, sizeof text, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return true;
  }
}

}  // namespace

ContainerRuntime::ContainerRuntime(RuntimeConfig config) : config_(std::move(config)) {}
ContainerRuntime::~ContainerRuntime() = default;

sdk::Result<std::unique_ptr<ContainerRuntime>> ContainerRuntime::open(RuntimeConfig config) {
  auto program = find_program(config.runtime);
  if (!program) return program.error();
  config.runtime = *program;
  if (auto good = check_runtime_options(config.options); !good) return good.error();
  if (::access(config.monitor.c_str(), X_OK) != 0) {
    return sdk::fail(BERTH_NOT_FOUND, "the monitor " + config.monitor + " is missing", "monitor");
  }
  auto version = program_version(config.runtime);
  if (!version) return version.error();
  auto cgroups = Cgroups::open();
  if (!cgroups) return cgroups.error();
  for (const char* dir : {"/containers", "/execs", "/runtime"}) {
    std::error_code error;
    fs::create_directories(config.state_root + dir, error);
    if (error) {
      return sdk::fail(BERTH_INTERNAL, config.state_root + dir + ": " + error.message(),
                       "state_root");
    }
  }
  ::chmod(config.state_root.c_str(), 0700);

  std::unique_ptr<ContainerRuntime> runtime(new ContainerRuntime(std::move(config)));
  runtime->version_ = *version;
  runtime->host_ = HostAbilities::detect();
  runtime->host_.sandboxed = runtime->sandboxed();
  runtime->hierarchies_ = cgroups->hierarchies();
  runtime->hide_cgroup2_ = cgroups->mode() == CgroupMode::Hybrid;
  runtime->escapes_ = cgroups->escape_from_own();
  return runtime;
}

bool ContainerRuntime::sandboxed() const {
  return runtime_kind(config_.runtime) == RuntimeKind::Sandbox;
}

std::string ContainerRuntime::state_dir(const std::string& id) const {
  return config_.state_root + "/containers/" + id;
}

std::vector<std::string> ContainerRuntime::lowered_wishes(const ContainerSpec& spec) const {
  return berth::runtime::lowered_wishes(spec, host_);
}

sdk::Result<ContainerHandle> ContainerRuntime::create(const ContainerSpec& spec) {
  // Checks the spec before anything is made of it.
  auto config = build_config(spec, host_);
  if (!config) {
    auto error = config.error();
    error.message = "CannotCreateContainerError: " + error.message;
    error.reason = "CannotCreateContainerError";
    return error;
  }
  const std::string dir = state_dir(spec.id);
  if (::mkdir(dir.c_str(), 0700) != 0) {
    if (errno == EEXIST) {
      return sdk::fail(BERTH_ALREADY_EXISTS, "container " + spec.id + " exists already", "id");
    }
    return cannot_create(dir + ": " + std::strerror(errno));
  }
  std::error_code error;
  fs::create_directories(spec.bundle_dir, error);
  sdk::Result<ContainerHandle> handle = cannot_create("bundle: " + error.message());
  if (!error) {
    handle = state::write_file(spec.bundle_dir + "/config.json", *config)
                 ? launch(spec)
                 : cannot_create(spec.bundle_dir + ": " + std::strerror(errno));
  }
  if (!handle) {
    // The first error is the one to tell.
    [[maybe_unused]] auto removed = remove(spec.id);
  }
  return handle;
}

// What the monitor is told, once and for as long as the container exists.
std::string ContainerRuntime::orders_for(const ContainerSpec& spec,
                                         const std::string& program) const {
  const RuntimeKind kind = runtime_kind(program);
  const bool sandboxed = kind == RuntimeKind::Sandbox;
  // runsc keeps flat files, with all of the configuration in them: a root of its own for each
  // container makes them one directory, where the configuration is.
  const std::string shared_root = config_.state_root + "/runtime";
  const std::string runtime_root = sandboxed ? spec.bundle_dir + "/runsc" : shared_root;
  const std::string runtime_state = sandboxed ? runtime_root : shared_root + "/" + spec.id;
  state::Lines lines;
  lines.add("id", spec.id);
  lines.add("run", spec.run);
  lines.add("bundle", spec.bundle_dir);
  for (const auto& word : runtime_command(program, runtime_root, config_.options)) {
    lines.add("runtime", word);
  }
  lines.add("runtime_state", runtime_state);
  // runsc's delete takes more than a second; what it removes is its cgroup and its files.
  lines.add("quick", kind != RuntimeKind::Plain && !has_late_hooks(spec));
  lines.add("sandbox", sandboxed);
  lines.add("hide_cgroup2", hide_cgroup2_ && !sandboxed);
  lines.add("call_timeout_ms", config_.call_timeout.count());
  lines.add("terminal", spec.options.terminal);
  lines.add("open_stdin", spec.options.open_stdin);
  // Runtimes give the container's user what it has as stdin: not the host's /dev/null.
  lines.add("empty_stdin", !spec.ids.empty());
  // Else a program could not open /dev/stdout again: runc leaves what it has to whoever made it.
  if (!spec.ids.empty()) lines.add("output_owner", spec.ids.on_host(spec.uid));
  lines.add("kill_all", spec.options.pid.sharing != Sharing::Own || sandboxed);
  lines.add("log", spec.log.path);
  lines.add("log_max_bytes", static_cast<std::int64_t>(spec.log.max_bytes));
  lines.add("log_max_files", spec.log.max_files);
  if (!spec.log.cursor.empty()) lines.add("log_cursor", spec.log.cursor);
  if (spec.log.wait_for_reader) lines.add("log_waits", 1);
  if (const auto point = failpoint::of_monitors()) {
    lines.add("failpoint", point->name);
    lines.add("failpoint_gate", point->gate);
  }
  for (const auto& procs : escapes_) lines.add("escape", procs);
  for (const auto& hierarchy : hierarchies_) {
    lines.add("cgroup", hierarchy + spec.cgroup_path);
    for (const char* file : {"/memory.oom_control", "/memory.events"}) {
      const bool v2 = host_.unified_cgroups;
      const bool memory =
          v2 || hierarchy.ends_with("/memory") || hierarchy.find("memory,") != std::string::npos;
      if (memory && v2 == (file[8] == 'e'))
        lines.add("oom_file", hierarchy + spec.cgroup_path + file);
    }
  }
  return lines.print();
}

sdk::Result<ContainerHandle> ContainerRuntime::launch(const ContainerSpec& spec) {
  std::string program = config_.runtime;
  if (const auto other = runtime_name(spec); !other.empty()) {
    auto found = find_program(other);
    if (!found) return cannot_create(found.error().message);
    program = *found;
  }
  const std::string dir = state_dir(spec.id);
  if (!state::write_file(dir + "/" + state::kContainer, orders_for(spec, program))) {
    return cannot_create(dir + ": " + std::strerror(errno));
  }
  auto answer = start_monitor({.program = config_.monitor,
                               .state_dir = dir,
                               .timeout = config_.call_timeout + kMonitorGrace});
  if (!answer) return cannot_create(answer.error().message);
  if (answer->starts_with("ok ")) {
    auto view = read_view(dir);
    if (!view) return view.error();
    return view->handle;
  }
  if (*answer == "failed timeout") {
    return failed("DockerTimeoutError",
                  "Could not transition to created; timed out after waiting " +
                      std::to_string(config_.call_timeout.count() / 1000) + "s");
  }
  const std::string why = runtime_failure(dir + "/" + state::kRuntimeLog);
  const std::string name = fs::path(program).filename();
  return failed("CannotStartContainerError", name + ": " +
                                                 (!why.empty()      ? why
                                                  : answer->empty() ? "the monitor died"
                                                                    : *answer));
}

sdk::Result<std::int64_t> ContainerRuntime::start(const std::string& id) {
  const std::string dir = state_dir(id);
  const auto connected = connect_monitor(dir);
  if (!connected) return connected.error();
  const OwnedFd& monitor = *connected;
  auto view = read_view(dir);
  if (!view) return view.error();
  if (view->started_at_ns != 0) return view->started_at_ns;
  if (!monitor || view->phase != ContainerPhase::Created) {
    return sdk::fail(BERTH_PRECONDITION, "container " + id + " is not ready to be started");
  }
  char answer[512];
  pollfd polled{monitor.get(), POLLIN, 0};
  const auto timeout = static_cast<int>((config_.call_timeout + kMonitorGrace).count());
  if (::send(monitor.get(), "start", 5, MSG_NOSIGNAL) != 5) return state_error("monitor of " + id);
  if (::poll(&polled, 1, timeout) <= 0) {
    return sdk::fail(BERTH_DEADLINE, "container " + id + " did not start in time");
  }
  const ssize_t n = ::recv(monitor.get(), answer, sizeof answer, MSG_DONTWAIT);
  const std::string text(answer, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (text.starts_with("ok ")) return std::int64_t{std::strtoll(text.c_str() + 3, nullptr, 10)};
  const std::string why = runtime_failure(dir + "/" + state::kRuntimeLog);
  const std::string said =
      text.starts_with("error ") ? text.substr(6) : "the container ended before its program ran";
  return failed("CannotStartContainerError", why.empty() ? said : said + ": " + why);
}

sdk::Result<void> ContainerRuntime::signal(const std::string& id, int signo) {
  auto view = read_view(state_dir(id));
  if (!view) return view.error();
  const auto init = open_init(view->handle);
  if (!init) return init.error();
  if (!*init) return {};
  if (::syscall(SYS_pidfd_send_signal, init->get(), signo, nullptr, 0) != 0 && errno != ESRCH) {
    if (errno == EINVAL)
      return sdk::fail(BERTH_INVALID, "no signal " + std::to_string(signo), "signo");
    return state_error("signal to " + id);
  }
  return {};
}

sdk::Result<ExecOutcome> ContainerRuntime::exec(const std::string& id, const ExecCall& call) const {
  auto place = exec_place(id);
  if (!place) return place.error();
  place->timeout = std::min(place->timeout, call.timeout);
  return run_to_end(*place, call);
}

sdk::Result<ExecSession::Place> ContainerRuntime::exec_place(const std::string& id) const {
  auto view = read_view(state_dir(id));
  if (!view) return view.error();
  if (view->phase != ContainerPhase::Running) {
    return sdk::fail(BERTH_PRECONDITION, "container " + id + " does not run");
  }
  return ExecSession::Place{.monitor = config_.monitor,
                            .execs_dir = config_.state_root + "/execs",
                            .container_dir = state_dir(id),
                            .timeout = config_.call_timeout};
}

sdk::Result<std::unique_ptr<ExecSession>> ContainerRuntime::open_exec(const std::string& id,
                                                                      const ExecSpec& spec) {
  auto place = exec_place(id);
  if (!place) return place.error();
  return ExecSession::start(*place, spec);
}

void ContainerRuntime::end_leftover_execs() {
  ExecSession::end_leftovers(config_.state_root + "/execs");
}

sdk::Result<ExitWatch> ContainerRuntime::watch(const std::string& id) {
  return ExitWatch::begin(state_dir(id));
}

sdk::Result<ContainerView> ContainerRuntime::inspect(const std::string& id) const {
  return read_view(state_dir(id));
}

sdk::Result<std::vector<std::string>> ContainerRuntime::list() const {
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator entry(config_.state_root + "/containers", error), end;
       !error && entry != end; entry.increment(error)) {
    ids.push_back(entry->path().filename());
  }
  if (error) return sdk::fail(BERTH_INTERNAL, config_.state_root + ": " + error.message());
  std::sort(ids.begin(), ids.end());
  return ids;
}

sdk::Result<void> ContainerRuntime::remove(const std::string& id) {
  const std::string dir = state_dir(id);
  auto view = read_view(dir);
  if (!view) {
    if (view.error().status == BERTH_NOT_FOUND) return {};
    return view.error();
  }
  const auto lines = state::read_lines(dir + "/" + state::kContainer);
  const auto deadline = std::chrono::steady_clock::now() + config_.call_timeout + kMonitorGrace;
  for (;;) {
    const auto monitor = connect_monitor(dir);
    if (!monitor) return monitor.error();
    if (*monitor) {
      // It kills what still runs, also while it is only being made, and puts everything away.
      ::send(monitor->get(), "kill", 4, MSG_NOSIGNAL);
      if (!wait_for_end(monitor->get(), config_.call_timeout + kMonitorGrace)) {
        return sdk::fail(BERTH_DEADLINE, "container " + id + " did not end after SIGKILL");
      }
    }
    auto removed = remove_leftovers(id);
    if (removed) break;
    if (removed.error().status != BERTH_UNAVAILABLE ||
        std::chrono::steady_clock::now() > deadline) {
      return removed;
    }
    // A monitor that has its lock and not yet its socket, or no longer: a matter of a moment.
    ::poll(nullptr, 0, 2);
  }
  // After a power cut the file may be there and empty.
  const std::string bundle = lines ? lines->text("bundle") : std::string();
  if (!bundle.empty()) {
    ::unlink((bundle + "/config.json").c_str());
    ::rmdir(bundle.c_str());  // only where nothing else is in it
  }
  std::error_code error;
  fs::remove_all(dir, error);
  if (error) return sdk::fail(BERTH_INTERNAL, dir + ": " + error.message());
  return {};
}

sdk::Result<void> ContainerRuntime::remove_leftovers(const std::string& id) {
  const std::string dir = state_dir(id);
  const std::string file = dir + "/" + state::kContainer;
  const auto lines = state::read_lines(file);
  if (!lines && errno == ENOENT) return {};
  if (!lines) return state_error(file);
  // Also keeps a monitor that was only just started from beginning: it finds the file gone once it
  // has the lock.
  OwnedFd lock(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  struct flock whole = state::whole_file();
  if (!lock || ::fcntl(lock.get(), F_OFD_SETLK, &whole) != 0) {
    return sdk::fail(BERTH_UNAVAILABLE, "container " + id + " is still being worked on");
  }
  auto paths = lines->all("cgroup");
  paths.push_back(lines->text("runtime_state"));
  const bool left = std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
  });
  if (!left) {
    ::unlink(file.c_str());
    return {};
  }
  lock = OwnedFd();
  auto answer = start_monitor({.program = config_.monitor,
                               .state_dir = dir,
                               .remove = true,
                               .timeout = config_.call_timeout + kMonitorGrace});
  if (!answer) return answer.error();
  if (*answer != "ok")
    return sdk::fail(BERTH_INTERNAL, "container " + id + " could not be removed: " + *answer);
  return {};
}

}  // namespace berth::runtime
