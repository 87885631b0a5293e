// SPDX-License-Identifier: Apache-2.0
// Health checks and restarts of real containers. The agent takes shorter periods than ECS's definitions may have.
#include <chrono>
#include <sstream>

#include "tests/sdk/runtime/by_runtime.hpp"
#include "tests/sdk/runtime/tasks_fixture.hpp"

namespace berth::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::kTaskId;
using testing::TasksOnHost;

class TasksHealth : public TasksOnHost {
 protected:
  static void check(v1::StartTaskRequest& request, int i, const std::string& command, int retries = 1) {
    auto& check = *container(request, i).mutable_health_check();
    check.add_command("CMD-SHELL");
    check.add_command(command);
    check.set_interval(1);
    check.set_timeout(20);
    check.set_retries(retries);
  }
  // A check that counts itself in $n.
  static std::string counting(const std::string& then) {
    return "echo >>/tmp/n; n=$(busybox wc -l </tmp/n); " + then;
  }
  std::optional<v1::TaskReport> healthy(const std::string& status) {
    return awaited([&](const v1::TaskReport& report) { return report.health_status() == status; });
  }
  [[nodiscard]] std::vector<int> processes() const {
    return Cgroups::open()->processes("/" + place_.name() + "/" + kTaskId);
  }
};

using TasksHealthByRuntime = testing::ByRuntime<TasksHealth>;

TEST_P(TasksHealthByRuntime, RunsTheCheckInTheContainerAndTellsItsOutput) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  container(one, 0).add_environment()->set_name("WHERE");
  container(one, 0).mutable_environment(0)->set_value("/tmp/bad");
  // Its environment and files are the container's: the first check goes well, those after it do not.
  check(one, 0, "if [ -e $WHERE ]; then echo broken; exit 3; fi; touch $WHERE");
  ASSERT_TRUE(tasks_->start(one));
  const auto good = healthy("HEALTHY");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->containers(0).health_status(), "HEALTHY");
  const auto bad = healthy("UNHEALTHY");
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->containers(0).reason(), "The health check fails with exit code 3: broken");
  EXPECT_EQ(bad->phase(), v1::TASK_PHASE_RUNNING);
}

TEST_P(TasksHealthByRuntime, KillsACheckThatTakesTooLongWithWhatItStarted) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  check(one, 0, "echo begun; sleep 2000; echo never");
  container(one, 0).mutable_health_check()->set_timeout(1);
  ASSERT_TRUE(tasks_->start(one));
  const auto bad = healthy("UNHEALTHY");
  ASSERT_TRUE(bad);
  EXPECT_THAT(bad->containers(0).reason(), HasSubstr("took longer than its timeout of 1 s: begun"));
  if (sandboxed()) return;  // its kernel's processes are none of the host's
  // The next check may have begun; between two of them nothing of either is left.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (processes().size() != 1 && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_THAT(processes(), SizeIs(1)) << "the container's own program alone";
}

TEST_P(TasksHealthByRuntime, IsUnhealthyAtTheFailureThatRetriesSay) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  check(one, 0, counting("echo check $n; exit 1"), 3);
  ASSERT_TRUE(tasks_->start(one));
  const auto bad = healthy("UNHEALTHY");
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->containers(0).reason(), "The health check fails with exit code 1: check 3");
}

TEST_P(TasksHealthByRuntime, AreCheckedNoSoonerThanTheIntervalAfterTheCheckBefore) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  check(one, 0, "busybox cut -d. -f1 /proc/uptime >>/tmp/n; cat /tmp/n; exit 1", 2);
  container(one, 0).mutable_health_check()->set_interval(3);
  ASSERT_TRUE(tasks_->start(one));
  const auto bad = healthy("UNHEALTHY");
  ASSERT_TRUE(bad);
  const std::string& reason = bad->containers(0).reason();
  std::istringstream words(reason.substr(reason.rfind(':') + 1));
  long first = 0;
  long second = 0;
  ASSERT_TRUE(words >> first >> second) << reason;
  EXPECT_GE(second - first, 2) << "whole seconds: three passed, of which one may have begun before";
}

TEST_P(TasksHealthByRuntime, IsForgivenFailuresInItsStartPeriodUntilTheFirstSuccess) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  check(one, 0, counting("echo check $n; [ $n -eq 3 ]"));
  container(one, 0).mutable_health_check()->set_start_period(300);
  ASSERT_TRUE(tasks_->start(one));
  ASSERT_TRUE(healthy("HEALTHY"));
  const auto bad = healthy("UNHEALTHY");
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->containers(0).reason(), "The health check fails with exit code 1: check 4");
}

TEST_P(TasksHealthByRuntime, IsNotWaitedForBeyondItsStartTimeout) {
  auto two = request({{.name = "db", .stop_timeout = 0, .start_timeout = 1}, {.name = "web", .needs = {{"db", "HEALTHY"}}}});
  check(two, 0, "false", 10);
  sh(two, 0, "exec sleep 1000");
  sh(two, 1, "echo never");
  const auto last = run_to_end(two);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_THAT(last.containers(1).reason(), HasSubstr("container 'db' was UNKNOWN, not HEALTHY, at the end of its startTimeout of 1 s"));
}

TEST_F(TasksHealth, TellsWhyACheckCannotBeRun) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  auto& absent = *container(one, 0).mutable_health_check();
  for (const char* word : {"CMD", "/bin/absent"}) absent.add_command(word);
  absent.set_interval(1);
  absent.set_retries(1);
  ASSERT_TRUE(tasks_->start(one));
  const auto bad = healthy("UNHEALTHY");
  ASSERT_TRUE(bad);
  EXPECT_THAT(bad->containers(0).reason(), HasSubstr("/bin/absent"));
}

TEST_P(TasksHealthByRuntime, StartsADependentOnceItsDependencyIsHealthy) {
  auto two = request({{.name = "db", .stop_timeout = 0}, {.name = "web", .needs = {{"db", "HEALTHY"}}, .stop_timeout = 0}});
  check(two, 0, "[ -e /tmp/ready ]", 10);
  sh(two, 0, "echo db; touch /tmp/ready; exec sleep 1000");
  sh(two, 1, "echo web; exec sleep 1000");
  ASSERT_TRUE(tasks_->start(two));
  ASSERT_TRUE(awaited([](const v1::TaskReport& r) { return r.containers(1).last_status() == "RUNNING"; }));
  EXPECT_EQ(tasks_->list()[0].containers(0).health_status(), "HEALTHY");
  EXPECT_EQ(tasks_->list()[0].phase(), v1::TASK_PHASE_RUNNING);
}

TEST_F(TasksHealth, KeepsTheHealthOverARestartOfTheAgent) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "exec sleep 1000");
  check(one, 0, "true");
  ASSERT_TRUE(tasks_->start(one));
  ASSERT_TRUE(healthy("HEALTHY"));
  tasks_.reset();
  open();
  ASSERT_THAT(tasks_->list(), SizeIs(1));
  EXPECT_EQ(tasks_->list()[0].health_status(), "HEALTHY");
  EXPECT_EQ(tasks_->list()[0].containers(0).health_status(), "HEALTHY");
}

using TasksRestartByRuntime = testing::ByRuntime<TasksHealth>;

TEST_P(TasksRestartByRuntime, StartsTheSameContainerAgainWithItsFilesAndItsLog) {
  auto one = request({{.name = "web", .stop_timeout = 0}});
  // Not in /tmp: where that is empty in the image, a sandbox has a tmpfs there.
  sh(one, 0, "echo line >>/www/lines; cat /www/lines; [ -e /www/second ] && exec sleep 1000; touch /www/second; exit 3");
  container(one, 0).mutable_restart_policy()->set_enabled(true);
  container(one, 0).mutable_restart_policy()->set_restart_attempt_period(0);
  container(one, 0).add_port_mappings()->set_container_port(80);
  ASSERT_TRUE(tasks_->start(one));
  const auto first = awaited([](const v1::TaskReport& r) { return r.containers(0).last_status() == "RUNNING"; });
  ASSERT_TRUE(first);
  ASSERT_TRUE(logged(3)) << "one line of the first run, two of the second: the reader follows across";
  const auto again = awaited([](const v1::TaskReport& r) { return r.containers(0).restart_count() == 1; });
  ASSERT_TRUE(again);
  EXPECT_EQ(again->phase(), v1::TASK_PHASE_RUNNING);
  const v1::ContainerReport now = tasks_->list()[0].containers(0);
  EXPECT_EQ(now.restart_count(), 1U);
  EXPECT_EQ(now.network_bindings(0).host_port(), first->containers(0).network_bindings(0).host_port());
  EXPECT_EQ(now.runtime_id(), first->containers(0).runtime_id());
  stop(kTaskId);
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->stop_code(), v1::STOP_CODE_USER_INITIATED);
  EXPECT_EQ(last->containers(0).exit_code(), 137);
  EXPECT_THAT(log_lines({}), ElementsAre("line", "line", "line"));
}

TEST_P(TasksRestartByRuntime, EndsTheTaskAfterAnIgnoredExitCode) {
  auto one = request({{.name = "web"}});
  sh(one, 0, "exit 4");
  container(one, 0).mutable_restart_policy()->set_enabled(true);
  container(one, 0).mutable_restart_policy()->set_restart_attempt_period(0);
  container(one, 0).mutable_restart_policy()->add_ignored_exit_codes(4);
  const auto last = run_to_end(one);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  EXPECT_EQ(last.containers(0).exit_code(), 4);
  EXPECT_EQ(last.containers(0).restart_count(), 0U);
}

TEST_P(TasksRestartByRuntime, IsNotStartedAgainWithinTheAttemptPeriod) {
  auto one = request({{.name = "web", .restart_period = 1800}});
  sh(one, 0, "echo once; exit 3");
  const auto last = run_to_end(one);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  EXPECT_EQ(last.containers(0).exit_code(), 3);
  EXPECT_EQ(last.containers(0).restart_count(), 0U);
  EXPECT_THAT(log_lines({}), ElementsAre("once"));
}

INSTANTIATE_TEST_SUITE_P(By, TasksHealthByRuntime, ::testing::Values("crun", "runc", "runsc"));
INSTANTIATE_TEST_SUITE_P(By, TasksRestartByRuntime, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
