// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/agent.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "berth/detail/link.hpp"
#include "berth/owned_page.hpp"
#include "sdk/fleet/durable_file.hpp"
#include "sdk/fleet/secret.hpp"
#include "sdk/runtime/agent/call_errors.hpp"
#include "sdk/runtime/agent/claims.hpp"
#include "sdk/runtime/agent/peer_link.hpp"
#include "sdk/runtime/agent/registration.hpp"
#include "sdk/runtime/agent/role_link.hpp"
#include "sdk/runtime/oci/runtime_program.hpp"

namespace berth::runtime {
namespace {

constexpr std::chrono::milliseconds kRegistryPatience{120'000};
constexpr std::size_t kQueueMost = 100'000;

bool takes_its_time(std::uint32_t method) {
  return method == v1::METHOD_LAUNCH_LOGS || method == v1::METHOD_LAUNCH_EXEC ||
         method == v1::METHOD_LAUNCH_LIST_IMAGES || method == v1::METHOD_LAUNCH_PULL_IMAGE ||
         method == v1::METHOD_LAUNCH_PRUNE_IMAGES;
}

sdk::Result<std::string> read_token(const AgentConfig& config, bool has_identity) {
  if (config.join_token_file.empty()) return config.join_token;
  auto text = fleet::read_small_file(config.join_token_file, 4096);
  // Once joined the token is not needed, and may have been taken away.
  if (!text && has_identity) return std::string();
  return text;
}

}  // namespace

Agent::Agent() : registry_(kRegistryPatience) {}

sdk::Result<std::unique_ptr<Agent>> Agent::open(const AgentConfig& config, std::function<void()> let_go) {
  std::unique_ptr<Agent> agent(new Agent);
  agent->let_go_ = std::move(let_go);
  if (auto begun = agent->begin(config); !begun) return begun.error();
  return agent;
}

sdk::Result<void> Agent::open_plugins(const AgentConfig& config) {
  const bool any = std::any_of(config.plugins.begin(), config.plugins.end(), [](const auto& one) { return one.second.enabled; });
  if (!any) return {};
  HostPlugins::Config settings{.directories = {config.plugin_dirs.begin(), config.plugin_dirs.end()},
                               .plugins = config.plugins,
                               .data_dir = config.tasks.data_dir / "plugins",
                               .cluster = config.cluster,
                               .changed = [this] {
                                 const std::lock_guard lock(mutex_);
                                 devices_changed_ = true;
                                 changed_.notify_one();
                               }};
  if (settings.directories.empty()) {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    settings.directories.push_back(program.parent_path().parent_path() / "lib/berth/plugins");
  }
  auto opened = HostPlugins::open(std::move(settings));
  if (!opened) return opened.error();
  plugins_ = std::move(*opened);
  return {};
}

fleet::v1::Registration Agent::offer() const {
  fleet::v1::Registration out = registration_;
  if (!plugins_) return out;
  for (auto& resource : plugins_->resources()) *out.mutable_node()->add_resources() = std::move(resource);
  return out;
}

// The control plane first, so that it gives nobody else what a task has just lost.
void Agent::offer_devices() {
  client_->update(offer());
  tasks_->stop_without_devices([this](const std::string& id) { return plugins_->loss(id); });
}

sdk::Result<void> Agent::begin(const AgentConfig& config) {
  const auto& data = config.tasks.data_dir;
  if (auto made = fleet::make_private_directory(data); !made) return made;
  const auto runtime = find_program(config.tasks.runtime);
  if (!runtime) return runtime.error();
  const auto version = program_version(*runtime);
  if (!version) return version.error();
  if (auto opened = open_plugins(config); !opened) return opened;
  registration_ = make_registration(config, HostFacts::detect(), *version);
  const auto identity = data / "identity";
  auto token = read_token(config, std::filesystem::exists(identity));
  if (!token) return token.error();
  auto client =
      fleet::Client::open({.server = config.server,
                           .join_token = *token,
                           .identity_file = identity,
                           .host_address = config.address},
                          offer(), events());
  if (!client) return client.error();
  const auto claimed = claim_names(config.tasks);
  if (!claimed) return claimed.error();
  client_ = std::move(*client);
  registry_.connect(*client_);
  TasksConfig settings = config.tasks;
  settings.instance_tags = config.tags;
  settings.ec2_instance_id = config.ec2_instance_id;
  auto tasks = Tasks::open(std::move(settings),
                           {.report = [this](const v1::TaskReport& report) { reported(report); },
                            .registry = registry_,
                            .credentials = ask_for_roles(*client_, kRegistryPatience),
                            .interfaces = interface_listener(*client_),
                            .plugins = plugins_.get()});
  if (!tasks) {
    take_back(*claimed);
    return tasks.error();
  }
  tasks_ = std::move(*tasks);
  control_ports_ = config.control_ports;
  close_doors(*tasks_, config.server.text(), control_ports_);  // once more where a name leads, when it is dialled
  for (auto& report : tasks_->list()) client_->restore(std::move(report));
  // Between Tasks::open, which refuses a second agent of the same directory, and the join, by which others see that we are there.
  const auto written = fleet::write_durably(config.pid_file, std::to_string(::getpid()) + "\n", 0644);
  if (!written) {
    take_back(*claimed);
    return written;
  }
  pid_file_ = config.pid_file;
  {
    const std::lock_guard lock(mutex_);
    devices_changed_ = plugins_ != nullptr;  // what was lost while no agent looked
  }
  worker_ = std::thread([this] { work(); });
  client_->start();
  return {};
}

Agent::~Agent() {
  // Pulls wait for answers of the control plane, and streams for credit: both are let go first.
  registry_.close();
  std::map<std::uint64_t, Streaming> streams;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    streams.swap(streams_);
  }
  changed_.notify_all();
  for (auto& [call, stream] : streams) stream.thread.request_stop();
  if (worker_.joinable()) worker_.join();
  streams.clear();
  finished_.clear();
  if (tasks_) tasks_->shutdown();
  client_.reset();  // its answers use registry_
  // While the directory's lock is still ours: afterwards the file may be the next agent's.
  if (!pid_file_.empty()) ::unlink(pid_file_.c_str());
  tasks_.reset();
  plugins_.reset();
}

fleet::ClientEvents Agent::events() {
  return {
      .call = [this](fleet::AgentCall c) { call(std::move(c)); },
      .cancel = [this](std::uint64_t c) { cancel(c); },
      .input = [this](std::uint64_t c, v1::StreamWrite write) { input(c, std::move(write)); },
      .connected = {},
      .peers =
          [this](const fleet::v1::Peers& peers, const std::string& server) {
            tasks_->take_peers(peer_news(peers));
            close_doors(*tasks_, server, control_ports_);
          },
      .disconnected = {},
      .removed =
          [this](const std::string&) {
            const std::lock_guard lock(mutex_);
            removed_ = look_again_ = true;
            changed_.notify_one();
          },
      .log =
          [](int level, const std::string& line) {
            const auto at = level == BERTH_LOG_ERROR ? spdlog::level::err
                            : level == BERTH_LOG_WARN ? spdlog::level::warn
                                                      : spdlog::level::info;
            spdlog::log(at, "fleet: {}", line);
          }};
}

void Agent::call(fleet::AgentCall call) {
  if (takes_its_time(call.method)) return begin_stream(std::move(call));
  std::unique_lock lock(mutex_);
  if (queue_.size() >= kQueueMost) {
    lock.unlock();
    return answer(call.id, sdk::fail(BERTH_UNAVAILABLE, "too many calls wait"));
  }
  queue_.push_back(std::move(call));
  changed_.notify_one();
}

void Agent::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !queue_.empty() || look_again_ || devices_changed_; });
    if (ending_) return;
    if (std::exchange(devices_changed_, false)) {
      lock.unlock();
      offer_devices();
      lock.lock();
      continue;
    }
    if (std::exchange(look_again_, false)) {
      lock.unlock();
      end_tasks();
      lock.lock();
      continue;
    }
    const fleet::AgentCall next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    carry_out(next);
    lock.lock();
  }
}

void Agent::reported(const v1::TaskReport& report) {
  client_->report(report);
  const std::lock_guard lock(mutex_);
  if (!removed_) return;
  look_again_ = true;
  changed_.notify_one();
}

// Nobody will ever ask for these tasks to be stopped, nor hear that they have.
void Agent::end_tasks() {
  bool any = false;
  for (const auto& report : tasks_->list()) {
    if (report.phase() == v1::TASK_PHASE_STOPPED) continue;
    any = true;
    v1::StopTaskRequest request;
    request.set_task_id(report.task_id());
    request.set_reason("The container instance was removed from its cluster");
    if (auto stopped = tasks_->stop(request); !stopped) {
      spdlog::error("task {} cannot be stopped: {}", report.task_id(), stopped.error().message);
    }
  }
  if (any) return;
  if (auto done = std::exchange(let_go_, nullptr)) done();
}

void Agent::carry_out(const fleet::AgentCall& call) {
  switch (call.method) {
    case v1::METHOD_LAUNCH_START: {
      v1::StartTaskRequest request;
      if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
      const auto started = tasks_->start(request);
      if (!started) spdlog::warn("task {} is refused: {}", request.task_id(), started.error().message);
      return answer(call.id, started);
    }
    case v1::METHOD_LAUNCH_STOP: {
      v1::StopTaskRequest request;
      if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
      return answer(call.id, tasks_->stop(request));
    }
    case v1::METHOD_LAUNCH_LIST_OWNED: {
      v1::ListOwnedRequest request;
      if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
      v1::ListOwnedResponse response;
      for (auto& report : tasks_->list()) *response.add_tasks() = std::move(report);
      return client_->done(call.id, BERTH_OK, sdk::owned_page(std::move(response), request.after()).SerializeAsString());
    }
    case v1::METHOD_LAUNCH_FORGET: {
      v1::ForgetTasksRequest request;
      if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
      const std::vector<std::string> ids(request.task_ids().begin(), request.task_ids().end());
      tasks_->forget(ids);
      // Of those alone that are gone: one that still runs goes on being reported.
      std::vector<std::string> gone = ids;
      for (const auto& report : tasks_->list()) std::erase(gone, report.task_id());
      client_->forget_reports(gone);
      return answer(call.id, {});
    }
    case v1::METHOD_LAUNCH_STATS: {
      v1::StatsRequest request;
      if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
      auto stats = tasks_->stats(request.task_id());
      if (!stats) return answer(call.id, stats.error());
      v1::StatsResponse response;
      for (auto& one : *stats) *response.add_containers() = std::move(one);
      return client_->done(call.id, BERTH_OK, response.SerializeAsString());
    }
    default:
      return answer(call.id, sdk::fail(BERTH_UNIMPLEMENTED, "this agent has no method " + std::to_string(call.method)));
  }
}

void Agent::answer(std::uint64_t call, const sdk::Result<void>& result) {
  if (result) return client_->done(call, BERTH_OK);
  client_->done(call, result.error().status, sdk::detail::encode_failure(result.error()));
}

}  // namespace berth::runtime
