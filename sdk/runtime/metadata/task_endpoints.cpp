// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/task_endpoints.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <chrono>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "sdk/runtime/metadata/endpoint_ids.hpp"
#include "sdk/runtime/metadata/listener.hpp"
#include "sdk/runtime/metadata/routes.hpp"
#include "sdk/runtime/metadata/server.hpp"

namespace berth::runtime::metadata {
namespace {

namespace json = boost::json;
using SteadyClock = std::chrono::steady_clock;

constexpr const char* kHostScope = "host";
// ECS_TASK_METADATA_RPS_LIMIT's default: so many a second, and so many at once.
constexpr double kPerSecond = 40;
constexpr double kAtOnce = 60;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

const std::string& task_role(const v1::StartTaskRequest& task) {
  return task.overrides().has_task_role_arn() ? task.overrides().task_role_arn()
                                              : task.definition().task_role_arn();
}

Answer said(int status, const std::string& words) {
  return {status, json::serialize(json::value(words))};
}

Answer refused(int status, const char* code, const std::string& words) {
  return {status, json::serialize(
                      json::object{{"code", code}, {"message", words}, {"HTTPErrorCode", status}})};
}

Answer credentials_answer(const sdk::Result<v1::RoleCredentials>& got) {
  if (!got) {
    const bool later = got.error().is_retryable() || got.error().status == BERTH_CANCELLED;
    return later ? refused(503, "CredentialsUninitialized", "the credentials are not here yet")
                 : refused(500, "InternalServerError", got.error().message);
  }
  return {200, json::serialize(json::object{{"RoleArn", got->role_arn()},
                                            {"AccessKeyId", got->access_key_id()},
                                            {"SecretAccessKey", got->secret_access_key()},
                                            {"Token", got->session_token()},
                                            {"Expiration", rfc3339(got->expires_at_ms())}})};
}

// What is news of the health in this report has been so since now.
void note_health(const v1::TaskReport& report, TaskFacts& facts) {
  for (int i = 0; i < report.containers_size(); ++i) {
    if (static_cast<std::size_t>(i) >= facts.containers.size()) break;
    const auto& before = i < facts.report.containers_size()
                             ? facts.report.containers(i).health_status()
                             : std::string();
    if (report.containers(i).health_status() == before) continue;
    facts.containers[static_cast<std::size_t>(i)].health_since_ms = wall_ms();
  }
}

// Time that all CPUs of the machine have had, as Docker's system_cpu_usage.
std::uint64_t system_cpu_ns() {
  std::ifstream file("/proc/stat");
  std::string word;
  file >> word;
  std::uint64_t ticks = 0;
  std::uint64_t one = 0;
  for (int i = 0; i < 7 && file >> one; ++i) ticks += one;
  return ticks * (1'000'000'000U / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

}  // namespace

class TaskEndpoints::Impl {
 public:
  Impl(Options options, Outside outside, EndpointIds ids)
      : options_(std::move(options)), outside_(std::move(outside)), ids_(std::move(ids)) {}

  sdk::Result<void> start();
  std::vector<std::string> environment(const v1::StartTaskRequest& task, std::size_t container,
                                       bool own_netns) const;
  sdk::Result<void> attach(const v1::StartTaskRequest& task, std::size_t container,
                           CreatedContainer created, const std::string& netns_path);
  void started(const std::string& task_id, std::size_t container, std::int64_t started_ms);
  void checked(const std::string& task_id, std::size_t container, CheckFacts check);
  void learn(const v1::TaskReport& report);
  void detach(const std::string& task_id, std::size_t container);
  void forget(const std::string& task_id);
  void close() { server_.reset(); }

 private:
  struct Task {
    TaskFacts facts;
    std::set<std::size_t> attached;
    std::map<std::size_t, std::string> scope_of;
    std::map<std::size_t, StatsSample> samples;  // of the question before
    double tokens = kAtOnce;
    SteadyClock::time_point counted = SteadyClock::now();
  };
  // A question that has found its task.
  struct Found {
    std::string task_id;
    std::optional<std::size_t> container;
  };

  void handle(const std::string& scope, const Request& request, Server::Respond respond);
  std::optional<Found> find(const std::string& scope, const Route& route) const;
  bool take_token(Task& task);
  Answer answer(const Found& found, const Route& route);
  json::value stats_of(Task& task, std::size_t container);
  sdk::Result<void> listen_for_host();

  const Options options_;
  const Outside outside_;
  const EndpointIds ids_;
  std::uint16_t host_port_ = 0;  // 0: the host's network has no endpoints

  mutable std::mutex mutex_;
  std::map<std::string, Task> tasks_;
  std::map<std::string, v1::TaskReport> reports_;  // of tasks that are not attached
  std::map<std::string, std::pair<std::string, std::size_t>> by_endpoint_;
  std::map<std::string, std::string> by_credentials_;
  std::map<std::string, std::set<std::pair<std::string, std::size_t>>> scopes_;
  std::mutex listening_;            // one socket is opened or closed at a time
  std::unique_ptr<Server> server_;  // last: its thread uses the others
};

sdk::Result<void> TaskEndpoints::Impl::start() {
  auto server = Server::start(
      [this](const std::string& scope, const Request& request, Server::Respond respond) {
        handle(scope, request, std::move(respond));
      });
  if (!server) return server.error();
  server_ = std::move(*server);
  return listen_for_host();
}

// The port is in the environment of running containers, so it is the same as before or none.
sdk::Result<void> TaskEndpoints::Impl::listen_for_host() {
  const auto file = options_.directory / "endpoint.port";
  unsigned kept = 0;
  std::ifstream(file) >> kept;
  auto listener = listen_on_loopback(kept <= 65535 ? static_cast<std::uint16_t>(kept) : 0);
  if (!listener && kept != 0) {
    spdlog::warn(
        "tasks: {}; running tasks with the host's network are without metadata and credentials",
        listener.error().message);
    listener = listen_on_loopback(0);
  }
  if (!listener) return listener.error();
  host_port_ = listener->port;
  std::ofstream out(file, std::ios::trunc);
  out << host_port_ << '\n';
  out.close();
  if (!out) return sdk::fail(BERTH_INTERNAL, "cannot write " + file.string());
  server_->listen(kHostScope, std::move(listener->socket));
  return {};
}

std::vector<std::string> TaskEndpoints::Impl::environment(const v1::StartTaskRequest& task,
                                                          std::size_t container,
                                                          bool own_netns) const {
  const std::string id = ids_.of_container(task.task_id(), container);
  const std::string base = own_netns ? std::string("http://") + kAddress
                                     : "http://127.0.0.1:" + std::to_string(host_port_);
  std::vector<std::string> env{"ECS_CONTAINER_METADATA_URI=" + base + "/v3/" + id,
                               "ECS_CONTAINER_METADATA_URI_V4=" + base + "/v4/" + id};
  if (task_role(task).empty()) return env;
  const std::string path = "/v2/credentials/" + ids_.of_credentials(task.task_id());
  // SDKs put 169.254.170.2 before the relative one; on the host's network that is not ours to take.
  env.push_back(own_netns ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=" + path
                          : "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + base + path);
  return env;
}

sdk::Result<void> TaskEndpoints::Impl::attach(const v1::StartTaskRequest& task,
                                              std::size_t container, CreatedContainer created,
                                              const std::string& netns_path) {
  const std::string& id = task.task_id();
  const std::string scope = netns_path.empty() ? kHostScope : netns_path;
  {
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = tasks_.try_emplace(id);
    Task& entry = at->second;
    if (is_new) {
      entry.facts.request = task;
      entry.facts.instance_tags = options_.instance_tags;
      entry.facts.containers.resize(
          static_cast<std::size_t>(task.definition().container_definitions_size()));
      if (const auto report = reports_.find(id); report != reports_.end()) {
        note_health(report->second, entry.facts);
        entry.facts.report = std::move(report->second);
        reports_.erase(report);
      }
      if (!task_role(task).empty()) by_credentials_[ids_.of_credentials(id)] = id;
    }
    entry.facts.containers[container].created = std::move(created);
    entry.facts.containers[container].last_check.reset();
    entry.attached.insert(container);
    entry.scope_of[container] = scope;
    by_endpoint_[ids_.of_container(id, container)] = {id, container};
    scopes_[scope].insert({id, container});
  }
  const std::lock_guard lock(listening_);
  if (server_->listens(scope)) return {};
  auto socket = listen_in_netns(netns_path);
  if (!socket) return socket.error();
  server_->listen(scope, std::move(*socket));
  return {};
}

void TaskEndpoints::Impl::started(const std::string& task_id, std::size_t container,
                                  std::int64_t started_ms) {
  const std::lock_guard lock(mutex_);
  const auto at = tasks_.find(task_id);
  if (at != tasks_.end()) at->second.facts.containers[container].started_ms = started_ms;
}

void TaskEndpoints::Impl::checked(const std::string& task_id, std::size_t container,
                                  CheckFacts check) {
  const std::lock_guard lock(mutex_);
  const auto at = tasks_.find(task_id);
  if (at != tasks_.end()) at->second.facts.containers[container].last_check = std::move(check);
}

void TaskEndpoints::Impl::learn(const v1::TaskReport& report) {
  const std::lock_guard lock(mutex_);
  const auto at = tasks_.find(report.task_id());
  if (at == tasks_.end()) {
    if (report.phase() == v1::TASK_PHASE_STOPPED) {
      reports_.erase(report.task_id());
    } else {
      reports_[report.task_id()] = report;
    }
    return;
  }
  TaskFacts& facts = at->second.facts;
  note_health(report, facts);
  facts.report = report;
  for (int i = 0; i < report.containers_size(); ++i) {
    if (static_cast<std::size_t>(i) >= facts.containers.size()) break;
    ContainerFacts& container = facts.containers[static_cast<std::size_t>(i)];
    const bool stopped = report.containers(i).last_status() == "STOPPED";
    if (stopped && container.created && container.finished_ms == 0)
      container.finished_ms = wall_ms();
  }
}

void TaskEndpoints::Impl::detach(const std::string& task_id, std::size_t container) {
  const std::lock_guard listening(listening_);
  std::string scope;
  {
    const std::lock_guard lock(mutex_);
    const auto at = tasks_.find(task_id);
    if (at == tasks_.end() || at->second.attached.erase(container) == 0) return;
    scope = at->second.scope_of[container];
    by_endpoint_.erase(ids_.of_container(task_id, container));
    const auto of = scopes_.find(scope);
    of->second.erase({task_id, container});
    if (!of->second.empty()) return;
    scopes_.erase(of);
  }
  if (scope != kHostScope) server_->close(scope);
}

void TaskEndpoints::Impl::forget(const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  tasks_.erase(task_id);
  reports_.erase(task_id);
  by_credentials_.erase(ids_.of_credentials(task_id));
}

// ---- Questions, on the server's thread

std::optional<TaskEndpoints::Impl::Found> TaskEndpoints::Impl::find(const std::string& scope,
                                                                    const Route& route) const {
  const auto of = scopes_.find(scope);
  if (of == scopes_.end() || of->second.empty()) return {};
  const std::string& own = of->second.begin()->first;
  // A namespace is one task's; the host's network is shared.
  const bool any_task = scope == kHostScope;
  if (route.what == Route::What::Credentials) {
    const auto at = by_credentials_.find(route.id);
    if (at == by_credentials_.end() || (!any_task && at->second != own)) return {};
    return Found{at->second, {}};
  }
  if (route.version != Version::V2) {
    const auto at = by_endpoint_.find(route.id);
    if (at == by_endpoint_.end() || (!any_task && at->second.first != own)) return {};
    return Found{at->second.first, at->second.second};
  }
  // Version 2 knows who asks by where the question comes from.
  if (any_task) return {};
  if (route.id.empty()) return Found{own, {}};
  const auto& containers = tasks_.at(own).facts.containers;
  for (std::size_t i = 0; i < containers.size(); ++i) {
    if (containers[i].created && containers[i].created->runtime_id == route.id)
      return Found{own, i};
  }
  return {};
}

bool TaskEndpoints::Impl::take_token(Task& task) {
  const auto now = SteadyClock::now();
  const double passed = std::chrono::duration<double>(now - task.counted).count();
  task.counted = now;
  task.tokens = std::min(kAtOnce, task.tokens + passed * kPerSecond);
  if (task.tokens < 1) return false;
  task.tokens -= 1;
  return true;
}

void TaskEndpoints::Impl::handle(const std::string& scope, const Request& request,
                                 Server::Respond respond) {
  const Route route = route_of(request.path);
  if (route.what == Route::What::Nothing) return respond(said(404, "There is no " + request.path));
  std::unique_lock lock(mutex_);
  const auto found = find(scope, route);
  if (!found) {
    if (route.what != Route::What::Credentials) {
      return respond(said(404, "unable to get the task or container of this request"));
    }
    return respond(refused(400, route.id.empty() ? "NoIdInRequest" : "InvalidIdInRequest",
                           "the request names no credentials of this task"));
  }
  Task& task = tasks_.at(found->task_id);
  if (!take_token(task)) return respond(said(429, "too many requests"));
  if (route.what != Route::What::Credentials) return respond(answer(*found, route));
  lock.unlock();
  spdlog::debug("tasks: credentials of the role of task {} are asked for", found->task_id);
  outside_.roles.get(found->task_id, v1::TaskCredentialsRequest::ROLE_TASK,
                     [respond = std::move(respond)](const sdk::Result<v1::RoleCredentials>& got) {
                       respond(credentials_answer(got));
                     });
}

json::value TaskEndpoints::Impl::stats_of(Task& task, std::size_t container) {
  const auto& facts = task.facts.containers[container];
  if (!facts.created) return nullptr;
  const auto& name =
      task.facts.request.definition().container_definitions(static_cast<int>(container)).name();
  auto stats = outside_.stats(task.facts.request.task_id(), name, facts.created->runtime_id);
  if (!stats) return nullptr;
  StatsSample now{std::move(*stats), system_cpu_ns(),
                  outside_.memory(task.facts.request.task_id(), name)};
  const auto before = task.samples.find(container);
  json::object out = stats_document(now, before == task.samples.end() ? nullptr : &before->second,
                                    facts.created->runtime_id);
  task.samples[container] = std::move(now);
  return out;
}

Answer TaskEndpoints::Impl::answer(const Found& found, const Route& route) {
  Task& task = tasks_.at(found.task_id);
  json::value out;
  task.facts.clock = read_clock();
  switch (route.what) {
    case Route::What::Container:
      out = container_document(task.facts, found.container.value_or(0), route.version);
      break;
    case Route::What::Task:
      out = task_document(task.facts, route.version, false);
      break;
    case Route::What::TaskWithTags:
      out = task_document(task.facts, route.version, true);
      break;
    case Route::What::ContainerStats:
      out = stats_of(task, found.container.value_or(0));
      break;
    default: {
      json::object all;
      for (std::size_t i = 0; i < task.facts.containers.size(); ++i) {
        const auto& created = task.facts.containers[i].created;
        if (created) all[created->runtime_id] = stats_of(task, i);
      }
      out = std::move(all);
    }
  }
  return {200, json::serialize(out)};
}

// ---- The outside

TaskEndpoints::TaskEndpoints(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TaskEndpoints::~TaskEndpoints() = default;

sdk::Result<std::unique_ptr<TaskEndpoints>> TaskEndpoints::start(Options options, Outside outside) {
  auto ids = EndpointIds::open(options.directory / "endpoint.key");
  if (!ids) return ids.error();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(outside), std::move(*ids));
  if (auto started = impl->start(); !started) return started.error();
  return std::unique_ptr<TaskEndpoints>(new TaskEndpoints(std::move(impl)));
}

std::vector<std::string> TaskEndpoints::environment(const v1::StartTaskRequest& task,
                                                    std::size_t container, bool own_netns) const {
  return impl_->environment(task, container, own_netns);
}
sdk::Result<void> TaskEndpoints::attach(const v1::StartTaskRequest& task, std::size_t container,
                                        CreatedContainer created, const std::string& netns_path) {
  return impl_->attach(task, container, std::move(created), netns_path);
}
void TaskEndpoints::started(const std::string& task_id, std::size_t container,
                            std::int64_t started_ms) {
  impl_->started(task_id, container, started_ms);
}
void TaskEndpoints::checked(const std::string& task_id, std::size_t container, CheckFacts check) {
  impl_->checked(task_id, container, std::move(check));
}
void TaskEndpoints::learn(const v1::TaskReport& report) {
  impl_->learn(report);
}
void TaskEndpoints::detach(const std::string& task_id, std::size_t container) {
  impl_->detach(task_id, container);
}
void TaskEndpoints::forget(const std::string& task_id) {
  impl_->forget(task_id);
}
void TaskEndpoints::close() {
  impl_->close();
}

}  // namespace berth::runtime::metadata
