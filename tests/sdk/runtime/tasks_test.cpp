// SPDX-License-Identifier: Apache-2.0
// Tasks on this very host: a real registry, a real OCI runtime, real namespaces. Needs root.
#include "sdk/runtime/task/tasks.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/sdk/runtime/by_runtime.hpp"
#include "tests/sdk/runtime/tasks_fixture.hpp"

namespace berth::runtime {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::Box;
using testing::kTaskId;
using testing::request_of;
using testing::TasksOnHost;

class TasksByRuntime : public testing::ByRuntime<TasksOnHost> {
 protected:
  // MiB that the program of a test has not enough of; a sandbox's own kernel needs more.
  static int little_memory() { return sandboxed() ? 64 : 8; }
};

// The server listens before it leaves for the background.
constexpr const char* kServe = "httpd -p 80 -h /www && echo up; exec sleep 1000";

// The body of an HTTP answer from this host's loopback; empty: nobody answered.
std::string http_get(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  timeval patience{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET / HTTP/1.0\r\n\r\n";
    (void)!::write(fd, request.data(), request.size());
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  const auto body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

TEST_F(TasksOnHost, TwoContainersOfATaskBothListenOnPort80) {
  auto two = request({{.name = "one", .stop_timeout = 1}, {.name = "two", .stop_timeout = 1}});
  for (int i = 0; i < 2; ++i) {
    sh(two, i, "hostname > /www/index.html; " + std::string(kServe));
    auto* port = container(two, i).add_port_mappings();
    port->set_container_port(80);
  }
  container(two, 0).set_hostname("first");
  container(two, 1).set_hostname("second");
  ASSERT_TRUE(tasks_->start(two));
  const auto running = reached(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(running);
  ASSERT_EQ(running->phase(), v1::TASK_PHASE_RUNNING) << running->stopped_reason();
  ASSERT_TRUE(logged(2));
  std::vector<std::string> bodies;
  for (int i = 0; i < 2; ++i) {
    const auto& report = running->containers(i);
    EXPECT_THAT(report.image_digest(), StartsWith("sha256:"));
    ASSERT_EQ(report.network_bindings_size(), 1) << "container " << i;
    EXPECT_EQ(report.network_bindings(0).container_port(), 80);
    const auto port = static_cast<std::uint16_t>(report.network_bindings(0).host_port());
    bodies.push_back(http_get(port));
  }
  EXPECT_THAT(bodies, ElementsAre("first\n", "second\n"));
  stop(kTaskId);
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->stopped_reason(), "stopped by the test");
  EXPECT_TRUE(last->has_pull_started_at() && last->has_pull_stopped_at() && last->has_started_at() &&
              last->has_execution_stopped_at() && last->has_stopped_at());
}

TEST_P(TasksByRuntime, RunsAChainOfContainersThatWaitForSuccess) {
  auto chain = request({{.name = "a", .essential = false},
                        {.name = "b", .essential = false, .needs = {{"a", "SUCCESS"}}},
                        {.name = "c", .needs = {{"b", "SUCCESS"}}}});
  for (int i = 0; i < 3; ++i) sh(chain, i, "echo " + std::string(1, static_cast<char>('a' + i)));
  const auto last = run_to_end(chain);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  for (const auto& report : last.containers()) EXPECT_EQ(report.exit_code(), 0) << report.name();
  EXPECT_THAT(log_lines({}), ElementsAre("a", "b", "c")) << "merged by time";
}

TEST_P(TasksByRuntime, DoesNotStartWhatWaitsForAFailure) {
  auto chain = request({{.name = "init", .essential = false}, {.name = "web", .needs = {{"init", "SUCCESS"}}}});
  sh(chain, 0, "exit 7");
  sh(chain, 1, "echo never");
  const auto last = run_to_end(chain);
  EXPECT_EQ(last.containers(0).exit_code(), 7);
  EXPECT_EQ(last.containers(1).exit_code(), 143);
  EXPECT_THAT(last.containers(1).reason(), StartsWith("CannotStartContainerError: "));
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
}

TEST_P(TasksByRuntime, TellsAContainerThatWasKilledForMemory) {
  auto task = request({{.name = "hog"}});
  container(task, 0).set_memory(little_memory());
  sh(task, 0, "exec dd if=/dev/zero of=/dev/null bs=100M");
  const auto last = run_to_end(task);
  EXPECT_EQ(last.containers(0).exit_code(), 137);
  EXPECT_EQ(last.containers(0).reason(), "OutOfMemoryError: Container killed due to memory usage");
}

TEST_P(TasksByRuntime, KillsForTheMemoryOfTheTask) {
  auto task = request({{.name = "hog"}});
  container(task, 0).clear_memory();
  task.mutable_definition()->set_memory(std::to_string(little_memory()));
  task.mutable_definition()->set_cpu("256");
  sh(task, 0, "exec dd if=/dev/zero of=/dev/null bs=100M");
  const auto last = run_to_end(task);
  EXPECT_EQ(last.containers(0).exit_code(), 137);
  EXPECT_EQ(last.containers(0).reason(), "OutOfMemoryError: Container killed due to memory usage");
}

TEST_P(TasksByRuntime, StopsBySignalAndThenByForce) {
  auto task = request({{.name = "polite"}, {.name = "deaf", .stop_timeout = 1}});
  sh(task, 0, "trap 'echo bye; exit 3' TERM; echo up; while true; do sleep 0.05; done");
  sh(task, 1, "trap '' TERM; echo up; while true; do sleep 0.05; done");
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  // Both have set their traps.
  ASSERT_TRUE(logged(2));
  stop(kTaskId);
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->containers(0).exit_code(), 3);
  EXPECT_EQ(last->containers(1).exit_code(), 137);
  EXPECT_THAT(log_lines({}), Contains("bye"));
}

TEST_F(TasksOnHost, TellsAProgramThatDoesNotExist) {
  auto task = request({{.name = "web"}});
  container(task, 0).add_command("/no/such/program");
  const auto last = run_to_end(task);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_THAT(last.containers(0).reason(), HasSubstr("/no/such/program"));
  EXPECT_THAT(last.containers(0).reason(), StartsWith("Cannot"));
  EXPECT_FALSE(last.containers(0).has_exit_code());
}

TEST_F(TasksOnHost, TellsAnImageThatDoesNotExist) {
  auto task = request({{.name = "web"}});
  container(task, 0).set_image(registry_->image() + "-not");
  const auto last = run_to_end(task);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_THAT(last.stopped_reason(), StartsWith("CannotPull"));
  EXPECT_EQ(last.containers(0).reason(), last.stopped_reason());
  EXPECT_FALSE(last.containers(0).has_exit_code());
}

TEST_F(TasksOnHost, GivesTheProgramWhatTheDefinitionSays) {
  auto task = request({{.name = "web"}});
  sh(task, 0, "id -u; id -g; pwd; echo $A $FROM_IMAGE $HOME $AWS_EXECUTION_ENV; hostname; touch /x || echo read-only");
  auto& web = container(task, 0);
  web.set_user("app");
  web.set_working_directory("/tmp");
  web.set_readonly_root_filesystem(true);
  web.set_hostname("name");
  auto* pair = web.add_environment();
  pair->set_name("A");
  pair->set_value("b");
  task.set_launch_type("EC2");
  EXPECT_EQ(run_to_end(task).containers(0).exit_code(), 0);
  v1::LogsRequest out;
  auto lines = log_lines(out);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("touch:"); });
  EXPECT_THAT(lines, ElementsAre("1234", "1234", "/tmp", "b yes /home/app AWS_ECS_EC2", "name", "read-only"));
}

TEST_F(TasksOnHost, RunsWithoutNetworkAndWithTheHosts) {
  auto none = request({{.name = "web"}});
  none.mutable_definition()->set_network_mode("none");
  sh(none, 0, "ls /sys/class/net");
  EXPECT_EQ(run_to_end(none).containers(0).exit_code(), 0);
  EXPECT_THAT(log_lines({}), ElementsAre("lo"));
  auto host = request({{.name = "web"}}, "11111111111111111111111111111111");
  host.mutable_definition()->set_network_mode("host");
  sh(host, 0, "exec sleep 1000");
  container(host, 0).add_port_mappings()->set_container_port(4321);
  ASSERT_TRUE(tasks_->start(host));
  const auto running = reached(v1::TASK_PHASE_RUNNING, host.task_id());
  ASSERT_TRUE(running);
  ASSERT_EQ(running->containers(0).network_bindings_size(), 1) << running->stopped_reason();
  EXPECT_EQ(running->containers(0).network_bindings(0).host_port(), 4321);
}

TEST_P(TasksByRuntime, FollowsLogsUntilTheTaskEnds) {
  auto task = request({{.name = "web"}});
  sh(task, 0, "echo one; sleep 0.3; echo two >&2; sleep 0.3; echo three");
  ASSERT_TRUE(tasks_->start(task));
  v1::LogsRequest follow;
  follow.set_follow(true);
  EXPECT_THAT(log_lines(follow), ElementsAre("one", "two", "three"));
  ASSERT_TRUE(stopped());
  v1::LogsRequest tail;
  tail.set_tail_lines(1);
  EXPECT_THAT(log_lines(tail), ElementsAre("three"));
  tasks_->forget({kTaskId});
  EXPECT_THAT(log_lines(tail), ElementsAre("three")) << "logs outlive the record";
}

TEST_F(TasksOnHost, EndsFollowingWhenTheReaderGoes) {
  auto task = request({{.name = "web"}});
  sh(task, 0, "exec sleep 1000");
  ASSERT_TRUE(tasks_->start(task));
  v1::LogsRequest follow;
  follow.set_task_id(kTaskId);
  follow.set_follow(true);
  std::stop_source cancel;
  std::thread reader([&] {
    EXPECT_TRUE(tasks_->logs(follow, [](const v1::LogRecord&) { return true; }, cancel.get_token()));
  });
  cancel.request_stop();
  reader.join();
}

TEST_F(TasksOnHost, KeepsContainersRunningOverARestart) {
  auto task = request({{.name = "web", .stop_timeout = 1}});
  sh(task, 0, kServe);
  container(task, 0).add_port_mappings()->set_container_port(80);
  ASSERT_TRUE(tasks_->start(task));
  const auto running = reached(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(running);
  ASSERT_EQ(running->containers(0).network_bindings_size(), 1) << running->stopped_reason();
  const auto port = static_cast<std::uint16_t>(running->containers(0).network_bindings(0).host_port());
  ASSERT_TRUE(logged(1));
  EXPECT_EQ(http_get(port), "hello\n");
  tasks_.reset();
  EXPECT_EQ(http_get(port), "hello\n") << "while no agent is there";
  open();
  ASSERT_EQ(tasks_->list().size(), 1U);
  EXPECT_EQ(tasks_->list()[0].phase(), v1::TASK_PHASE_RUNNING);
  EXPECT_EQ(http_get(port), "hello\n");
  stop(kTaskId);
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->containers(0).has_exit_code());
}

TEST_F(TasksOnHost, IsNotHarmedByAStrangerAmongItsContainers) {
  auto task = request({{.name = "web", .stop_timeout = 1}});
  sh(task, 0, "exec sleep 1000");
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  tasks_.reset();
  const auto stranger = place_.data_dir() / "runtime/containers/lost+found";
  std::filesystem::create_directories(stranger);
  open();
  EXPECT_TRUE(std::filesystem::remove(stranger));
  stop(kTaskId);
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->stop_code(), v1::STOP_CODE_USER_INITIATED);
}

TEST_F(TasksOnHost, RunsManyTasksSideBySide) {
  constexpr int kTasks = 24;
  const auto id_of = [](int i) { return std::string(30, 'a') + std::to_string(10 + i); };
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kTasks; ++i) {
    auto task = request({{.name = "web"}}, id_of(i));
    task.mutable_definition()->set_network_mode("host");
    sh(task, 0, "exec sleep 1000");
    ASSERT_TRUE(tasks_->start(task));
  }
  for (int i = 0; i < kTasks; ++i) {
    const auto running = reached(v1::TASK_PHASE_RUNNING, id_of(i));
    ASSERT_TRUE(running);
    EXPECT_EQ(running->phase(), v1::TASK_PHASE_RUNNING) << running->stopped_reason();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("containers_per_second", std::to_string(kTasks / took.count()));
}

TEST_F(TasksOnHost, RefusesASecondAgentOnItsDirectory) {
  auto second = Tasks::open(place_.config(), {.report = [](const v1::TaskReport&) {}, .registry = *access_});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().status, BERTH_PRECONDITION);
}

INSTANTIATE_TEST_SUITE_P(By, TasksByRuntime, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
