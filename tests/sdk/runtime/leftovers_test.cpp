// SPDX-License-Identifier: Apache-2.0
// What is removed of an agent that has ended. Needs root.
#include "sdk/runtime/agent/leftovers.hpp"

#include "sdk/runtime/agent/claims.hpp"
#include "sdk/runtime/oci/container_state.hpp"
#include "tests/sdk/runtime/tasks_fixture.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

using testing::kTaskId;

class Leftovers : public testing::TasksOnHost {
 protected:
  void begin() {
    auto task = request({{.name = "web", .stop_timeout = 2}});
    sh(task, 0, "exec sleep 1000");
    ASSERT_TRUE(tasks_->start(task));
    ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
    tasks_.reset();
  }
  void TearDown() override {
    release_names(place_.config());
    open();
    TasksOnHost::TearDown();
  }
  // As a power cut does: neither the monitor nor anybody else writes how it ended.
  void kill_containers() {
    const auto view = read_view(place_.data_dir() / "runtime/containers" / (kTaskId + "-0"));
    ASSERT_TRUE(view) << view.error().message;
    berth::test::HostEvents ends;
    for (const pid_t pid : {view->handle.monitor_pid, view->handle.pid}) {
      ends.watch_end(pid);
      ::kill(pid, SIGKILL);
    }
    ASSERT_TRUE(ends.until([&] {
      const auto init = open_init(view->handle);
      return init && !*init;
    }));
  }
  AgentConfig agent_config() {
    AgentConfig out;
    out.tasks = place_.config();
    return out;
  }
};

TEST_F(Leftovers, AreNotRemovedWhileATaskRuns) {
  begin();
  const auto removed = remove_leftovers(agent_config());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message, "task " + kTaskId + " still runs; stop it first");
}

TEST_F(Leftovers, AreRemovedWhereTheContainersOfATaskAreGoneAndItsRecordDoesNotSaySo) {
  begin();
  kill_containers();
  const auto removed = remove_leftovers(agent_config());
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_THAT(place_.leftovers(), ::testing::IsEmpty());
  EXPECT_FALSE(fs::exists("/sys/class/net/" + place_.name()));
}

}  // namespace
}  // namespace berth::runtime
