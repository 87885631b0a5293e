// SPDX-License-Identifier: Apache-2.0
// A control core for tests of the API: real State, commands that succeed at once, and a log source
// that tests feed.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "core/api/log_source.hpp"
#include "core/api/server.hpp"
#include "core/control/frontend.hpp"
#include "core/control/services/settings.hpp"
#include "core/control/tagging.hpp"

namespace berth::api {

class FakeControl final : public control::Frontend {
 public:
  FakeControl() { add_cluster("default"); }

  void submit(control::Command command, control::Reply reply) override {
    std::unique_lock lock(mutex_);
    if (hold_) {
      held_.push_back(std::move(reply));
      changed_.notify_all();
      return;
    }
    auto answer = std::visit([this](auto& each) { return run(each); }, command);
    lock.unlock();
    reply(std::move(answer));
  }
  void query(control::Query query) override {
    std::unique_lock lock(mutex_);
    auto done = query(state_);
    lock.unlock();
    done();
  }

  // From now on commands are kept unanswered.
  void hold() {
    const std::lock_guard lock(mutex_);
    hold_ = true;
  }
  void await_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_.empty(); });
  }
  void release(const Result<control::Answer>& answer) {
    std::vector<control::Reply> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
      hold_ = false;
    }
    for (auto& reply : held) reply(answer);
  }

  void add_cluster(const std::string& name) {
    auto cluster = std::make_shared<Cluster>();
    cluster->name = ClusterName(name);
    state_.put(ClusterPtr(cluster));
  }
  TaskPtr add_task(const std::string& id, const std::string& family,
                   TaskStatus status = TaskStatus::Running, const std::string& node = "") {
    auto launch = std::make_shared<Launch>();
    launch->launch_type = "EC2";
    launch->group = "family:" + family;
    launch->container_ids = {"11111111-2222-4333-8444-555555555555"};
    launch->created_at = Instant(milliseconds(1'700'000'000'123));
    launch->requirement.set_cpu(64);
    launch->requirement.set_memory_mib(128);
    auto task = std::make_shared<Task>();
    task->id = TaskId(id);
    task->cluster = ClusterName("default");
    task->definition = state_.definition({FamilyName(family), 0});
    task->node = NodeId(node);
    task->launch = launch;
    task->last_status = status;
    if (status == TaskStatus::Stopped) task->desired_status = DesiredStatus::Stopped;
    state_.put(TaskPtr(task));
    return task;
  }
  control::State& state() { return state_; }
  std::string last_unknown;
  // What was asked last, and what is answered.
  model::StartTaskRequest started;
  model::PlanTaskRequest planned;
  std::vector<ecs::Attribute> put;
  control::PlanTaskAnswer plan;
  control::ExplainTaskAnswer why;
  control::UpdateService updated;
  control::StopServiceDeployment stopped;
  control::TagResource tagged;
  control::DeregisterInstance deregistered;
  control::UpdateTaskProtection protection;
  bool services_rest = false;
  std::vector<model::Pool> pools;  // as answered
  std::optional<ClusterName> pools_of;

 private:
  using Answer = Result<control::Answer>;

  Answer run(const control::CreateCluster& command) {
    add_cluster(command.request.cluster_name());
    return state_.cluster(ClusterName(command.request.cluster_name()));
  }
  Answer run(const control::PutClusterProviders& command) {
    auto there = state_.cluster(ClusterName(command.request.cluster()));
    if (there == nullptr) return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster);
    if (command.request.capacity_providers().empty()) {
      return fail(Errc::Precondition, "It has tasks.", Subject::InUse);
    }
    auto cluster = std::make_shared<Cluster>(*there);
    const auto& names = command.request.capacity_providers();
    cluster->capacity_providers.assign(names.begin(), names.end());
    const auto& items = command.request.default_capacity_provider_strategy();
    cluster->default_capacity_provider_strategy.assign(items.begin(), items.end());
    state_.put(ClusterPtr(cluster));
    return ClusterPtr(cluster);
  }
  Answer run(const control::ListProviders& command) {
    if (command.cluster) {
      return control::ProvidersAnswer{state_.cluster(*command.cluster)->capacity_providers};
    }
    return control::ProvidersAnswer{{"FARGATE", "FARGATE_SPOT"}};
  }
  Answer run(const control::ListPools& command) {
    pools_of = command.cluster;
    return control::PoolsAnswer{pools};
  }
  Answer run(const control::DeleteCluster& command) {
    auto cluster = state_.cluster(ClusterName(command.request.cluster()));
    if (cluster == nullptr) return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster);
    if (!state_.tasks_of(cluster->name).empty()) {
      return fail(Errc::Precondition, "The Cluster cannot be deleted while Tasks are active.",
                  Subject::ClusterContents, "tasks");
    }
    auto gone = std::make_shared<Cluster>(*cluster);
    gone->active = false;
    state_.put(ClusterPtr(gone));
    return state_.cluster(gone->name);
  }
  Answer run(const control::RegisterTaskDefinition& command) {
    const auto& request = command.request;
    auto definition = std::make_shared<TaskDefinition>();
    definition->id = {FamilyName(request.family()), ++revisions_[request.family()]};
    auto& message = definition->message;
    message.set_family(request.family());
    message.set_revision(definition->id.revision);
    message.set_status("ACTIVE");
    message.set_network_mode(request.network_mode());
    message.set_registered_by(command.registered_by);
    *message.mutable_container_definitions() = request.container_definitions();
    for (const auto& attribute : command.requires_attributes) {
      *message.add_requires_attributes() = attribute;
    }
    for (const auto& type : command.compatibilities) message.add_compatibilities(type);
    definition->unknown_members_json = command.unknown_members_json;
    state_.put(TaskDefinitionPtr(definition));
    return TaskDefinitionPtr(definition);
  }
  Answer run(const control::DeregisterTaskDefinition& command) {
    auto definition = state_.definition(*parse_definition(command.request.task_definition()));
    if (definition == nullptr) {
      return fail(Errc::NotFound, "Unable to describe task definition.", Subject::TaskDefinition);
    }
    auto inactive = std::make_shared<TaskDefinition>(*definition);
    inactive->message.set_status("INACTIVE");
    state_.put(TaskDefinitionPtr(inactive));
    return TaskDefinitionPtr(inactive);
  }
  Answer run(const control::RunTask& command) {
    const auto id = parse_definition(command.request.task_definition());
    control::RunTaskAnswer answer;
    for (int i = 0; i < command.request.count(); ++i) {
      answer.tasks.push_back(add_task("0123456789abcdef0123456789abcde" + std::to_string(i),
                                      id->family.str(), TaskStatus::Pending));
    }
    answer.failures.push_back({.arn = "arn:x", .reason = "RESOURCE:CPU", .detail = ""});
    return answer;
  }
  Answer run(const control::StartTask& command) {
    started = command.request;
    control::RunTaskAnswer answer;
    for (const std::string& node : command.request.container_instances()) {
      auto instance = state_.instance(NodeId(node));
      if (instance == nullptr) {
        answer.failures.push_back({.arn = node, .reason = "MISSING", .detail = "Not here."});
        continue;
      }
      answer.tasks.push_back(
          add_task("0123456789abcdef0123456789abcdef", "web", TaskStatus::Pending, node));
      answer.instances.push_back(instance);
    }
    return answer;
  }
  Answer run(const control::PutAttributes& command) {
    put = command.attributes;
    return control::AttributesAnswer{command.attributes};
  }
  Answer run(const control::RemoveAgent& command) {
    if (!command.force) {
      return fail(Errc::Precondition, "It has a task.", Subject::ContainerInstance);
    }
    return control::RemoveAgentAnswer{NodeId(command.agent)};
  }
  Answer run(const control::RestServices&) {
    services_rest = true;
    return control::ServicesRest{};
  }
  Answer run(const control::DeleteAttributes& command) {
    return control::AttributesAnswer{command.attributes};
  }
  Answer run(const control::PlanTask& command) {
    planned = command.request;
    return plan;
  }
  Answer run(const control::ExplainTask& command) {
    if (command.task.empty() && !why.unplaced) {
      return fail(Errc::NotFound, "No call of " + command.group, Subject::Request, "group");
    }
    if (!command.task.empty() && !why.task) {
      return fail(Errc::NotFound, "The referenced task was not found.", Subject::Task);
    }
    return why;
  }
  Answer run(const control::StopTask& command) {
    auto task = state_.task(TaskId(command.request.task()));
    if (task == nullptr) {
      return fail(Errc::NotFound, "The referenced task was not found.", Subject::Task);
    }
    return task;
  }
  // A service that has just been made, with its one deployment.
  Answer run(const control::CreateService& command) {
    auto service = std::make_shared<Service>();
    service->id = {ClusterName(command.request.cluster()),
                   ServiceName(command.request.service_name())};
    const auto definition = parse_definition(command.request.task_definition());
    service->data = control::service_of(command.request, {definition->family, 1});
    service->data.set_primary("1000000000000000001");
    auto deployment = std::make_shared<ServiceDeployment>();
    deployment->service = service->id;
    deployment->number = DeploymentNumber("1000000000000000001");
    deployment->data.set_id("AAAAAAAAAAAAAAAAAAAAA");
    deployment->data.set_revision_number("2000000000000000001");
    deployment->data.set_role(model::StoredServiceDeployment::ROLE_PRIMARY);
    deployment->data.set_rollout(model::StoredServiceDeployment::ROLLOUT_IN_PROGRESS);
    deployment->data.set_status("IN_PROGRESS");
    state_.put(ServicePtr(service));
    state_.put(ServiceDeploymentPtr(deployment));
    return ServicePtr(service);
  }
  Answer run(const control::UpdateService& command) {
    updated = command;
    return find_service(command.request.cluster(), command.request.service());
  }
  Answer run(const control::DeleteService& command) {
    return find_service(command.request.cluster(), command.request.service());
  }
  Answer run(const control::StopServiceDeployment& command) {
    stopped = command;
    return find_service(command.service.cluster.str(), command.service.name.str());
  }
  Answer run(const control::TagResource& command) {
    tagged = command;
    if (auto there = control::tags_of(state_, command.resource); !there) {
      return tl::unexpected(there.error());
    }
    return control::TagsAnswer{};
  }
  Answer run(const control::DeregisterInstance& command) {
    deregistered = command;
    auto instance = state_.instance(NodeId(command.instance));
    if (instance == nullptr) {
      return fail(Errc::NotFound, "The specified container instance was not found.",
                  Subject::Request);
    }
    return control::InstancesAnswer{{std::move(instance)}, {}};
  }
  Answer run(const control::UpdateTaskProtection& command) {
    protection = command;
    return control::ProtectionAnswer{};
  }
  Answer run(const control::UpdateInstancesState& command) {
    control::InstancesAnswer answer;
    for (const std::string& id : command.instances) {
      if (auto instance = state_.instance(NodeId(id))) {
        answer.instances.push_back(std::move(instance));
      } else {
        answer.failures.push_back({.arn = id, .reason = "MISSING", .detail = ""});
      }
    }
    return answer;
  }
  Answer find_service(const std::string& cluster, const std::string& name) {
    auto service = state_.service({ClusterName(cluster), ServiceName(name)});
    if (service == nullptr) return fail(Errc::NotFound, "Service not found.", Subject::Service);
    return service;
  }
  Answer run(const control::WatchTask& command) {
    auto task = state_.task(TaskId(command.task));
    if (task == nullptr) {
      return fail(Errc::NotFound, "The referenced task was not found.", Subject::Task);
    }
    control::WatchTaskAnswer answer;
    answer.task = task;
    answer.cursor = command.cursor + 1;
    answer.pulls.emplace_back().set_bytes_total(7);
    return answer;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  control::State state_;
  std::map<std::string, std::int32_t> revisions_;
  bool hold_ = false;
  std::vector<control::Reply> held_;
};

// A log stream at a time: what is written goes to the newest one, and its credit is kept in mind.
class FakeLogs final : public LogSource {
 public:
  std::unique_ptr<LogStream> open(LogQuery query, std::uint32_t credit,
                                  std::shared_ptr<LogSink> sink) override {
    const std::lock_guard lock(mutex_);
    query_ = std::move(query);
    sink_ = std::move(sink);
    credit_ = credit;
    open_ = true;
    changed_.notify_all();
    return std::make_unique<Stream>(*this);
  }
  std::shared_ptr<LogSink> await_sink() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return sink_ != nullptr; });
    return sink_;
  }
  void await_closed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return sink_ != nullptr && !open_; });
  }
  void await_granted(std::uint64_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return granted_ >= bytes; });
  }
  std::uint64_t granted() {
    const std::lock_guard lock(mutex_);
    return granted_;
  }
  std::uint32_t credit() const { return credit_; }
  const LogQuery& query() const { return query_; }

 private:
  class Stream final : public LogStream {
   public:
    explicit Stream(FakeLogs& logs) : logs_(logs) {}
    ~Stream() override {
      const std::lock_guard lock(logs_.mutex_);
      logs_.open_ = false;
      logs_.changed_.notify_all();
    }
    void grant(std::uint32_t bytes) override {
      const std::lock_guard lock(logs_.mutex_);
      logs_.granted_ += bytes;
      logs_.changed_.notify_all();
    }

   private:
    FakeLogs& logs_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  LogQuery query_;
  std::shared_ptr<LogSink> sink_;
  std::uint32_t credit_ = 0;
  std::uint64_t granted_ = 0;
  bool open_ = false;
};

}  // namespace berth::api
