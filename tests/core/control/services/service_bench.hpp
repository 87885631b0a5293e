// SPDX-License-Identifier: Apache-2.0
// A control core with services in the test's hands: what the plugin is asked for it does at once,
// unless told otherwise.
#pragma once

#include <set>

#include "tests/core/control/bench.hpp"

namespace berth::control {

class ServiceBench : public Bench {
 protected:
  static constexpr const char* kNode3 = "0123456789abcdef0123456789abcde2";

  // Definitions web:1 and web:2, two nodes.
  void open(std::vector<v1::Node> nodes = {node(kNode, 4096, 4096), node(kNode2, 4096, 4096)}) {
    bring_up(std::move(nodes));
    ask(definition());
    ask(definition());
  }
  static CreateService create(const std::string& name, int desired,
                              const std::string& definition = "web:1") {
    CreateService command;
    command.request.set_service_name(name);
    command.request.set_desired_count(desired);
    command.request.set_task_definition(definition);
    return command;
  }
  static UpdateService update(const std::string& name) {
    UpdateService command;
    command.request.set_service(name);
    return command;
  }
  static CreateService daemon(const std::string& name) {
    CreateService command = create(name, 0);
    command.request.clear_desired_count();
    command.request.set_scheduling_strategy("DAEMON");
    return command;
  }
  static DeleteService remove(const std::string& name, bool force = false) {
    DeleteService command;
    command.request.set_service(name);
    command.request.set_force(force);
    return command;
  }

  // Answers whatever waits, as a plugin does for which all goes well. Tasks in `silent` say
  // nothing; those of `broken_` definitions fail to start.
  void work() {
    settle();
    for (bool more = true; more;) {
      more = false;
      while (plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) {
        answer_plan(256, 128);
        more = true;
      }
      while (plugins.count(v1::METHOD_LAUNCH_START) > 0) {
        begin_task();
        more = true;
      }
      while (plugins.count(v1::METHOD_LAUNCH_STOP) > 0) {
        end_task();
        more = true;
      }
    }
  }
  void begin_task() {
    FakePlugins::Call call = plugins.take(v1::METHOD_LAUNCH_START);
    v1::StartTaskRequest start;
    start.ParseFromString(call.request);
    starts.push_back(start);
    if (broken.count(start.definition().revision()) > 0) {
      call.done(
          tl::unexpected(Error{Errc::Precondition, "CannotPullContainerError: no such image"}));
      return settle();
    }
    call.done(v1::Empty().SerializeAsString());
    settle();
    if (!run_tasks) return;
    say(TaskId(start.task_id()), v1::TASK_PHASE_RUNNING);
  }
  void end_task() {
    FakePlugins::Call call = plugins.take(v1::METHOD_LAUNCH_STOP);
    v1::StopTaskRequest stop;
    stop.ParseFromString(call.request);
    call.done(v1::Empty().SerializeAsString());
    settle();
    say(TaskId(stop.task_id()), v1::TASK_PHASE_STOPPED);
  }
  void say(const TaskId& id, v1::TaskPhase phase, const std::string& health = "") {
    v1::TaskReport one = report_of(id, ++sequence_, phase);
    one.set_node_id(task(id)->node.str());
    if (!health.empty()) one.set_health_status(health);
    if (!digest.empty()) {
      v1::ContainerReport* container = one.add_containers();
      container->set_name("main");
      container->set_last_status("RUNNING");
      container->set_image_digest(digest);
    }
    report(one);
  }
  void pass(milliseconds by) {
    now += by;
    work();
  }

  ServicePtr service(const std::string& name) {
    return core->state().service({ClusterName("default"), ServiceName(name)});
  }
  ServiceDeploymentPtr primary(const std::string& name) {
    const ServicePtr one = service(name);
    return core->state().deployment(one->id, DeploymentNumber(one->data.primary()));
  }
  // Tasks of the service that are to run, of one revision or all (0).
  std::vector<TaskPtr> tasks_of(const std::string& name, int revision = 0) {
    std::vector<TaskPtr> found;
    for (const TaskId& id : core->state().tasks_of(service(name)->id)) {
      const TaskPtr one = task(id);
      if (one->desired_status == DesiredStatus::Stopped) continue;
      if (revision == 0 || one->definition->id.revision == revision) found.push_back(one);
    }
    return found;
  }
  std::vector<std::string> events_of(const std::string& name) {
    std::vector<std::string> texts;
    for (const auto& event : service(name)->data.events()) texts.push_back(event.message());
    return texts;
  }
  int current_deployments(const std::string& name) {
    int count = 0;
    for (const auto& [number, one] : core->state().deployments_of(service(name)->id)) {
      count += one->current() ? 1 : 0;
    }
    return count;
  }

  std::set<int> broken;  // revisions whose tasks fail to start
  bool run_tasks = true;
  std::string digest;
  std::vector<v1::StartTaskRequest> starts;

 private:
  std::uint64_t sequence_ = 100;
};

}  // namespace berth::control
