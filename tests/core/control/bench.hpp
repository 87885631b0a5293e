// SPDX-License-Identifier: Apache-2.0
// A control core with everything around it in the test's hands: time, store, plugins.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/plugin.pb.h"
#include "core/control/control.hpp"
#include "core/model/stored.hpp"
#include "tests/support/memory_store.hpp"

namespace berth::control {

// Calls wait until the test answers them.
class FakePlugins final : public PluginCalls {
 public:
  struct Call {
    PluginName plugin;
    std::uint32_t method;
    std::string request;
    std::function<void(Result<std::string>)> done;
  };

  void call(const PluginName& plugin, std::uint32_t method, std::string request, milliseconds,
            std::function<void(Result<std::string>)> done) override {
    calls.push_back({plugin, method, std::move(request), std::move(done)});
  }

  [[nodiscard]] int count(v1::Method method) const {
    int n = 0;
    for (const Call& call : calls) n += call.method == static_cast<std::uint32_t>(method) ? 1 : 0;
    return n;
  }
  // Takes the first waiting call of this method out. Requires: there is one.
  Call take(v1::Method method) {
    for (auto at = calls.begin(); at != calls.end(); ++at) {
      if (at->method != static_cast<std::uint32_t>(method)) continue;
      Call call = std::move(*at);
      calls.erase(at);
      return call;
    }
    ADD_FAILURE() << "no call of " << v1::Method_Name(method) << " is waiting";
    return {PluginName(), 0, "", [](Result<std::string>) {}};
  }

  std::deque<Call> calls;
};

class Bench : public ::testing::Test, public Timers {
 protected:
  Bench() : rng(1) { begin(); }
  ~Bench() override { core.reset(); }

  static constexpr const char* kNode = "0123456789abcdef0123456789abcde0";
  static constexpr const char* kNode2 = "0123456789abcdef0123456789abcde1";

  void begin() {
    store = std::make_unique<test::MemoryStore>(disk);
    auto loaded = store->load();
    core = std::make_unique<Control>(
        config,
        Ports{.store = *store,
              .plugins = plugins,
              .timers = *this,
              .rng = rng,
              .halt = [this](Error error) { halted = std::move(error); },
              .post = [this](std::function<void()> work) { posted.push_back(std::move(work)); },
              .meter = meter,
              .warn = [this](const std::string& text) { warnings.push_back(text); }});
    const auto restored = core->restore(std::move(*loaded), now);
    ASSERT_TRUE(restored) << restored.error().message;
    now = std::max(now, core->now());  // as the daemon's loop does
  }
  // The process dies: what is not durable is lost, calls are never answered.
  void crash() {
    core.reset();
    store->crash(0);
    posted.clear();
    plugins.calls.clear();
    begin();
  }
  void wake_at(Instant at) override { wake = at; }

  // Ticks without anything becoming durable.
  void tick() { core->tick(now); }
  // Ticks until all is durable and nothing moves any more but by the test.
  void settle() {
    do {
      core->tick(now);
      store->sync();
      while (!posted.empty()) {
        const auto work = std::move(posted.front());
        posted.pop_front();
        work();
      }
      core->tick(now);
    } while (store->waiting() > 0 || !posted.empty());
  }
  void advance(milliseconds by) {
    now += by;
    settle();
  }

  // ---- Commands
  struct Asked {
    std::optional<Result<Answer>> answer;
    [[nodiscard]] bool done() const { return answer.has_value(); }
    [[nodiscard]] bool failed() const { return answer.has_value() && !answer->has_value(); }
    template <typename T>
    const T& as() const {
      return std::get<T>(**answer);
    }
    [[nodiscard]] const Error& error() const { return answer->error(); }
  };
  using AskedPtr = std::shared_ptr<Asked>;
  AskedPtr submit(Command command) {
    auto asked = std::make_shared<Asked>();
    core->submit(std::move(command), [asked](Result<Answer> answer) {
      EXPECT_FALSE(asked->answer) << "answered twice";
      asked->answer = std::move(answer);
    });
    return asked;
  }
  // Submits and settles.
  AskedPtr ask(Command command) {
    auto asked = submit(std::move(command));
    settle();
    return asked;
  }

  static RegisterTaskDefinition definition(const std::string& family = "web") {
    RegisterTaskDefinition command;
    command.request.set_family(family);
    auto* container = command.request.add_container_definitions();
    container->set_name("main");
    container->set_image("busybox@sha256:" + std::string(64, 'b'));
    command.request.set_network_mode("bridge");
    command.compatibilities = {"EC2", "EXTERNAL"};
    return command;
  }
  static RunTask run_task(int count = 1, const std::string& definition = "web") {
    RunTask command;
    command.request.set_task_definition(definition);
    command.request.set_count(count);
    return command;
  }
  static StopTask stop_task(const TaskId& id) {
    StopTask command;
    command.request.set_task(id.str());
    return command;
  }

  // ---- The plugin
  static LaunchPlugin ec2() { return {PluginName("ec2"), {"EC2"}, {"hosts"}, false}; }
  static v1::Node node(const std::string& id = kNode, std::int64_t cpu = 1024,
                       std::int64_t memory = 1024) {
    v1::Node node;
    node.set_id(id);
    node.set_cluster("default");
    node.set_connected(true);
    node.set_ec2_instance_id("i-" + id.substr(id.size() < 30 ? 0 : 30));
    for (const auto& [name, total] : {std::pair{"CPU", cpu}, {"MEMORY", memory}}) {
      v1::Resource* resource = node.add_resources();
      resource->set_name(name);
      resource->mutable_counter()->set_total(total);
    }
    return node;
  }
  void snapshot(std::vector<v1::Node> nodes, std::uint64_t generation = 1) {
    v1::InventorySnapshot event;
    event.set_generation(generation);
    event.mutable_nodes()->Assign(nodes.begin(), nodes.end());
    core->plugin_event(PluginName("ec2"), v1::EVENT_LAUNCH_INVENTORY, event.SerializeAsString());
  }
  void report(const v1::TaskReport& report) {
    core->plugin_event(PluginName("ec2"), v1::EVENT_LAUNCH_TASK, report.SerializeAsString());
    settle();
  }
  static v1::TaskReport report_of(const TaskId& id, std::uint64_t sequence, v1::TaskPhase phase) {
    v1::TaskReport report;
    report.set_task_id(id.str());
    report.set_node_id(kNode);
    report.set_sequence(sequence);
    report.set_phase(phase);
    return report;
  }
  // Answers the first waiting call of this method.
  template <typename Message>
  void answer(v1::Method method, const Message& message) {
    plugins.take(method).done(message.SerializeAsString());
    settle();
  }
  void refuse(v1::Method method, Errc code, const std::string& message,
              milliseconds retry_after = milliseconds(0)) {
    Error error{code, message};
    error.retry_after = retry_after;
    plugins.take(method).done(tl::unexpected(std::move(error)));
    settle();
  }
  void answer_plan(std::int64_t cpu = 256, std::int64_t memory = 128) {
    v1::PlanResponse plan;
    plan.mutable_requirement()->set_cpu(cpu);
    plan.mutable_requirement()->set_memory_mib(memory);
    answer(v1::METHOD_LAUNCH_PLAN, plan);
  }
  // A plugin that is up, with one node, nothing owned.
  void bring_up(std::vector<v1::Node> nodes = {node()}) {
    core->plugin_up(ec2());
    snapshot(std::move(nodes));
    settle();
    answer(v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedResponse());
  }
  // As bring_up, with the definition web:1 registered and planned, so that RunTask is answered
  // within one tick.
  void ready(std::vector<v1::Node> nodes = {node()}) {
    bring_up(std::move(nodes));
    ask(definition());
    auto first = submit(run_task());
    settle();
    answer_plan();
    if (first->as<RunTaskAnswer>().tasks.empty()) return;
    const TaskId id = first->as<RunTaskAnswer>().tasks[0]->id;
    answer(v1::METHOD_LAUNCH_START, v1::Empty());
    v1::TaskReport end = report_of(id, 1, v1::TASK_PHASE_STOPPED);
    end.set_node_id(task(id)->node.str());
    report(end);
  }
  // A task that the plugin has not answered for yet.
  TaskId placed() {
    auto asked = ask(run_task());
    return asked->as<RunTaskAnswer>().tasks.at(0)->id;
  }
  TaskId running() {
    const TaskId id = placed();
    answer(v1::METHOD_LAUNCH_START, v1::Empty());
    report(report_of(id, 10, v1::TASK_PHASE_RUNNING));
    return id;
  }
  TaskPtr task(const TaskId& id) { return core->state().task(id); }

  Config config;
  test::MemoryDisk disk;
  std::unique_ptr<test::MemoryStore> store;
  FakePlugins plugins;
  SeededRng rng;
  Instant now{milliseconds(1'700'000'000'000)};
  std::optional<Instant> wake;
  std::deque<std::function<void()>> posted;
  std::optional<Error> halted;
  DecisionMeter* meter = nullptr;
  std::vector<std::string> warnings;
  std::unique_ptr<Control> core;
};

}  // namespace berth::control
