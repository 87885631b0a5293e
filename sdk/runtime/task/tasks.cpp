// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/tasks.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <spdlog/spdlog.h>

#include "sdk/runtime/disk/full_disk.hpp"
#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/engine.hpp"
#include "sdk/runtime/task/local_host.hpp"
#include "sdk/runtime/task/task_exec.hpp"
#include "sdk/runtime/task/task_logs.hpp"
#include "sdk/runtime/task/task_store.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

sdk::Result<void> make_data_dir(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) fs::permissions(directory, fs::perms::owner_all, error);
  if (error) return sdk::fail(BERTH_INTERNAL, "cannot make " + directory.string() + ": " + error.message());
  return {};
}

}  // namespace

class Tasks::Impl {
 public:
  Impl(TasksConfig config, std::unique_ptr<TaskStore> store, std::unique_ptr<LocalHost> host, HostPlugins* plugins)
      : config_(std::move(config)), store_(std::move(store)), host_(std::move(host)), plugins_(plugins), wakes_(config_.log_followers) {}

  sdk::Result<void> open(std::function<void(const v1::TaskReport&)> report) {
    auto engine = TaskEngine::open({.stop_timeout = config_.stop_timeout,
                                    .cleanup_wait = config_.cleanup_wait,
                                    .remember_forgotten = config_.remember_forgotten,
                                    .concurrent_starts = config_.concurrent_starts,
                                    .concurrent_pulls = config_.concurrent_pulls,
                                    .concurrent_checks = config_.concurrent_checks,
                                    .boot_id = state::boot_id()},
                                   *store_, *host_, [this, report = std::move(report)](const v1::TaskReport& news) {
                                     host_->learn(news);
                                     report(news);
                                     wakes_.moved(news.task_id());
                                   });
    if (!engine) return engine.error();
    engine_ = std::move(*engine);
    if (config_.stop_disk_fillers) disk_watch_ = std::jthread([this](const std::stop_token& stop) { watch_disk(stop); });
    return {};
  }

  sdk::Result<std::uint64_t> logs(const v1::LogsRequest& request, const LogSink& sink, std::stop_token cancel);
  sdk::Result<int> exec(const v1::ExecRequest& request, ExecInput& input, const ExecIo& io, std::stop_token cancel);
  [[nodiscard]] sdk::Result<std::vector<v1::ContainerStats>> stats(const std::string& task_id) const;
  void shutdown() {
    disk_watch_ = {};
    wakes_.close();
    host_->images().close();
    engine_->shutdown();
  }

  // By the host, which has a reason.
  void stop_for(const std::string& task_id, const std::string& why);

  TaskEngine& engine() { return *engine_; }
  LocalHost& host() { return *host_; }

 private:
  [[nodiscard]] std::vector<std::string> containers_of(const std::string& task_id) const;
  void add_devices(std::vector<v1::ContainerStats>& stats) const;
  void watch_disk(const std::stop_token& stop);
  [[nodiscard]] std::vector<DiskUser> disk_users() const;

  const TasksConfig config_;
  std::unique_ptr<TaskStore> store_;
  std::unique_ptr<LocalHost> host_;
  HostPlugins* const plugins_;
  LogWakes wakes_;
  std::atomic<unsigned> execs_ = 0;
  std::unique_ptr<TaskEngine> engine_;
  std::jthread disk_watch_;
};

// Of a forgotten task, those that have left a log.
std::vector<std::string> Tasks::Impl::containers_of(const std::string& task_id) const {
  std::vector<std::string> names;
  if (const auto report = engine_->find(task_id)) {
    for (const auto& container : report->containers()) names.push_back(container.name());
    return names;
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config_.data_dir / "logs" / task_id, error)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

sdk::Result<std::uint64_t> Tasks::Impl::logs(const v1::LogsRequest& request, const LogSink& sink,
                                             std::stop_token cancel) {
  const std::string& task_id = request.task_id();
  if (!is_task_id(task_id)) return sdk::fail(BERTH_NOT_FOUND, "There is no task " + task_id, "taskId");
  const std::vector<std::string> names = containers_of(task_id);
  if (names.empty()) return sdk::fail(BERTH_NOT_FOUND, "There are no logs of a task " + task_id, "taskId");
  for (const std::string& wanted : request.containers()) {
    if (std::find(names.begin(), names.end(), wanted) == names.end()) {
      return sdk::fail(BERTH_NOT_FOUND, "Task " + task_id + " has no container '" + wanted + "'", "containers");
    }
  }
  LogRead read{.sources = {}, .request = request, .sink = sink, .is_live = {}, .cancel = std::move(cancel)};
  std::size_t without = 0;
  for (const std::string& name : names) {
    const bool wanted = request.containers_size() == 0 ||
                        std::count(request.containers().begin(), request.containers().end(), name) > 0;
    const auto path = log_path(config_.data_dir, task_id, name);
    without += wanted && has_no_log(path);
    if (wanted) read.sources.push_back({name, path});
  }
  if (!read.sources.empty() && without == read.sources.size()) {
    return sdk::fail(BERTH_PRECONDITION, "The log driver of container '" + read.sources.front().container +
                                             "' is none: it keeps no logs", "containers");
  }
  read.is_live = [this, &task_id](const std::string& name) {
    const auto report = engine_->find(task_id);
    if (!report) return false;
    return std::any_of(report->containers().begin(), report->containers().end(), [&](const v1::ContainerReport& c) {
      return c.name() == name && c.last_status() != "STOPPED";
    });
  };
  return read_logs(read, wakes_);
}

sdk::Result<int> Tasks::Impl::exec(const v1::ExecRequest& request, ExecInput& input, const ExecIo& io,
                                   std::stop_token cancel) {
  const auto report = engine_->find(request.task_id());
  if (!report) return sdk::fail(BERTH_NOT_FOUND, "There is no task " + request.task_id(), "taskId");
  const auto& containers = report->containers();
  const auto found = std::find_if(containers.begin(), containers.end(),
                                  [&](const v1::ContainerReport& c) { return c.name() == request.container(); });
  if (found == containers.end()) {
    return sdk::fail(BERTH_NOT_FOUND, "The task has no container '" + request.container() + "'", "container");
  }
  if (found->last_status() != "RUNNING") {
    return sdk::fail(BERTH_PRECONDITION, "Container '" + found->name() + "' does not run", "container");
  }
  if (request.command().empty()) return sdk::fail(BERTH_INVALID, "There is no command to run", "command");
  struct Place {
    std::atomic<unsigned>& taken;
    const unsigned before = taken++;
    ~Place() { --taken; }
  } const place{execs_};
  if (place.before >= config_.execs) return sdk::fail(BERTH_UNAVAILABLE, "Too many commands run by exec on this host now");
  ExecSpec spec{.args = {request.command().begin(), request.command().end()}, .input = request.input()};
  if (request.terminal()) {
    WindowSize& size = spec.terminal.emplace();
    if (request.size().rows() > 0) size.rows = static_cast<std::uint16_t>(request.size().rows());
    if (request.size().columns() > 0) size.columns = static_cast<std::uint16_t>(request.size().columns());
  }
  const auto process = host_->exec(found->runtime_id(), spec);
  if (!process) return process.error();
  BERTH_FAILPOINT("task.after_exec");
  return pump_exec(**process, input, io, std::move(cancel));
}

sdk::Result<std::vector<v1::ContainerStats>> Tasks::Impl::stats(const std::string& task_id) const {
  std::vector<v1::TaskReport> reports;
  if (task_id.empty()) {
    reports = engine_->list();
  } else if (auto report = engine_->find(task_id)) {
    reports.push_back(std::move(*report));
  } else {
    return sdk::fail(BERTH_NOT_FOUND, "There is no task " + task_id, "taskId");
  }
  std::vector<v1::ContainerStats> all;
  for (const auto& report : reports) {
    for (const auto& container : report.containers()) {
      if (container.last_status() != "RUNNING") continue;
      // One that ends meanwhile has none.
      if (auto one = host_->stats(report.task_id(), container.name(), container.runtime_id())) all.push_back(std::move(*one));
    }
  }
  if (plugins_) add_devices(all);
  return all;
}

std::vector<DiskUser> Tasks::Impl::disk_users() const {
  std::vector<DiskUser> users;
  for (const auto& report : engine_->list()) {
    const std::string& id = report.task_id();
    users.push_back({.task_id = id, .stopped = report.has_stopped_at(), .use = host_->disk_use(id)});
  }
  return users;
}

void Tasks::Impl::watch_disk(const std::stop_token& stop) {
  FullDisk disk({.room = [this] { return room_of(config_.data_dir); },
                 .users = [this] { return disk_users(); },
                 .drop_images = [this] { return host_->drop_unused_images(); },
                 .stop = [this](const std::string& id, const std::string& why) { stop_for(id, why); },
                 .drop_logs =
                     [this](const std::string& id) {
                       spdlog::warn("tasks: the disk is full: the logs of task {}, which has stopped, are dropped", id);
                       host_->drop_logs(id);
                     },
                 .warn = [](const std::string& complaint) { spdlog::error("tasks: {}", complaint); }});
  std::mutex mutex;
  std::condition_variable_any ended;
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, stop, std::chrono::seconds(1), [&] { return stop.stop_requested(); })) disk.look();
}

void Tasks::Impl::stop_for(const std::string& task_id, const std::string& why) {
  v1::StopTaskRequest request;
  request.set_task_id(task_id);
  request.set_reason(why);
  spdlog::warn("tasks: task {} is stopped: {}", task_id, why);
  if (auto stopped = engine_->stop(request, v1::STOP_CODE_TERMINATION_NOTICE); !stopped) {
    spdlog::error("task {} cannot be stopped: {}", task_id, stopped.error().message);
  }
}

// All devices in one question to each plugin.
void Tasks::Impl::add_devices(std::vector<v1::ContainerStats>& stats) const {
  std::multimap<std::pair<std::string, std::string>, std::string> devices;  // by task and container
  std::vector<std::string> ids;
  for (const TaskSpecPtr& task : engine_->with_devices()) {
    for (const auto& grant : task->request.allocation().devices()) {
      devices.emplace(std::pair(task->request.task_id(), grant.container()), grant.device_id());
    }
  }
  for (const auto& one : stats) {
    const auto [first, last] = devices.equal_range({one.task_id(), one.container()});
    for (auto at = first; at != last; ++at) ids.push_back(at->second);
  }
  if (ids.empty()) return;
  std::map<std::string, v1::DeviceStats> told;
  for (auto& device : plugins_->stats(ids)) told[device.device_id()] = device;
  for (auto& one : stats) {
    const auto [first, last] = devices.equal_range({one.task_id(), one.container()});
    for (auto at = first; at != last; ++at) {
      if (const auto device = told.find(at->second); device != told.end()) *one.add_devices() = device->second;
    }
  }
}

Tasks::Tasks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tasks::~Tasks() { shutdown(); }

sdk::Result<std::unique_ptr<Tasks>> Tasks::open(TasksConfig config, Outside outside) {
  if (!config.data_dir.is_absolute()) {
    return sdk::fail(BERTH_INVALID, "The data directory is not an absolute path", "data_dir");
  }
  if (auto made = make_data_dir(config.data_dir); !made) return made.error();
  // First, since it holds the lock of the directory.
  auto store = TaskStore::open(task_store_file(config.data_dir));
  if (!store) return store.error();
  auto host = LocalHost::open(config, outside.registry, std::move(outside.interfaces),
                              std::move(outside.credentials), outside.plugins);
  if (!host) return host.error();
  auto impl = std::make_unique<Impl>(std::move(config), std::move(*store), std::move(*host), outside.plugins);
  if (auto opened = impl->open(std::move(outside.report)); !opened) return opened.error();
  return std::unique_ptr<Tasks>(new Tasks(std::move(impl)));
}

sdk::Result<void> Tasks::start(const v1::StartTaskRequest& request) {
  if (!is_task_id(request.task_id())) {
    return sdk::fail(BERTH_INVALID, "A task's id is 32 hexadecimal digits in lower case", "task_id");
  }
  return impl_->engine().start(request);
}
sdk::Result<void> Tasks::stop(const v1::StopTaskRequest& request) { return impl_->engine().stop(request); }
void Tasks::stop_without_devices(const std::function<std::optional<std::string>(const std::string&)>& loss) {
  for (const TaskSpecPtr& task : impl_->engine().with_devices()) {
    for (const auto& grant : task->request.allocation().devices()) {
      const auto why = loss(grant.device_id());
      if (!why) continue;
      impl_->stop_for(task->request.task_id(), *why);
      break;
    }
  }
}
std::vector<v1::TaskReport> Tasks::list() const { return impl_->engine().list(); }
void Tasks::forget(const std::vector<std::string>& task_ids) { impl_->engine().forget(task_ids); }
sdk::Result<std::uint64_t> Tasks::logs(const v1::LogsRequest& request, const LogSink& sink, std::stop_token cancel) {
  return impl_->logs(request, sink, std::move(cancel));
}
sdk::Result<int> Tasks::exec(const v1::ExecRequest& request, ExecInput& input, const ExecIo& io, std::stop_token cancel) {
  return impl_->exec(request, input, io, std::move(cancel));
}
sdk::Result<std::vector<v1::ContainerStats>> Tasks::stats(const std::string& task_id) const { return impl_->stats(task_id); }
HostImages& Tasks::images() { return impl_->host().images(); }
void Tasks::take_peers(const PeerNews& news) {
  impl_->host().take(news);
}
void Tasks::close_doors(const Doors& doors) { impl_->host().close_doors(doors); }
const std::string& Tasks::runtime_version() const { return impl_->host().runtime_version(); }
void Tasks::shutdown() { impl_->shutdown(); }

}  // namespace berth::runtime
