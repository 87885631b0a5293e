// SPDX-License-Identifier: Apache-2.0
#include "core/control/retention.hpp"

#include <gtest/gtest.h>

#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using std::chrono::hours;

// The room alone, so that what it keeps in memory can be counted.
class RetentionTest : public ::testing::Test, public Timers {
 protected:
  RetentionTest() {
    desk.advance(now);
    auto loaded = store.load();
    EXPECT_TRUE(desk.restore(*loaded));
    plugins.up({PluginName("ec2"), {"EC2"}, {}, false});
    tasks.on_stopped([this](const TaskId& id) { retention.task_stopped(id); });
  }
  void wake_at(Instant) override {}

  void stop_a_task(const std::string& id) {
    TaskDefinition definition;
    definition.id = {FamilyName("web"), 1};
    Task task;
    task.id = TaskId(id);
    task.cluster = ClusterName("default");
    task.definition = std::make_shared<const TaskDefinition>(definition);
    task.plugin = PluginName("ec2");
    task.node = NodeId("n");
    task.launch = std::make_shared<const Launch>();
    desk.save(std::move(task));
    tasks.finish(TaskId(id), {});
  }
  void advance(milliseconds by) {
    now += by;
    desk.advance(now);
    desk.alarms().ring(now);
    work_off();
  }
  void work_off() {
    const auto queue = desk.inputs().lock();
    for (bool moved = true; moved;) {
      desk.outbox().flush();
      store.sync();
      moved = !posted.empty() || !queue->empty();
      for (; !posted.empty(); posted.pop_front()) posted.front()();
      while (!queue->empty()) {
        const auto work = std::move(queue->front());
        queue->pop_front();
        work();
      }
    }
  }

  Instant now{hours(1000)};
  test::MemoryDisk disk;
  test::MemoryStore store{disk};
  FakePlugins calls;
  SeededRng rng{1};
  std::deque<std::function<void()>> posted;
  Ports ports{.store = store,
              .plugins = calls,
              .timers = *this,
              .rng = rng,
              .halt = [](const Error& error) { FAIL() << error.message; },
              .post = [this](std::function<void()> work) { posted.push_back(std::move(work)); }};
  Desk desk{Config{}, ports};
  Plugins plugins{desk, calls};
  Placer placer{desk, nullptr};
  Watches watches{desk};
  Tasks tasks{desk, placer, watches};
  Retention retention{desk, plugins, tasks};
};

TEST_F(RetentionTest, KeepsNothingOfTasksThatWereForgotten) {
  for (int i = 0; i < 100; ++i) stop_a_task("task-" + std::to_string(i));
  EXPECT_EQ(desk.alarms().size(), 100u);
  advance(hours(1));
  calls.take(v1::METHOD_LAUNCH_FORGET).done(std::string());
  work_off();
  EXPECT_TRUE(desk.state().tasks().empty());
  EXPECT_EQ(desk.alarms().size(), 0u);
}

}  // namespace
}  // namespace berth::control
