// SPDX-License-Identifier: Apache-2.0
// Log drivers of real containers: what arrives, what a program waits for, and what is told where a receiver is not there.
#include "tests/sdk/runtime/log_receivers.hpp"
#include "tests/sdk/runtime/tasks_fixture.hpp"

namespace berth::runtime {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::CloudWatch;
using testing::DatagramReceiver;
using testing::kTaskId;
using testing::StreamReceiver;
using testing::TasksOnHost;

class TasksLogDrivers : public TasksOnHost {
 protected:
  TasksConfig config() override {
    TasksConfig config = place_.config();
    config.journal_socket = journal();
    return config;
  }
  [[nodiscard]] std::string journal() const { return place_.data_dir().string() + ".journal"; }
  static void log_to(v1::StartTaskRequest& request, const std::string& driver, const std::map<std::string, std::string>& options) {
    auto& log = *container(request, 0).mutable_log_configuration();
    log.set_log_driver(driver);
    for (const auto& [name, value] : options) (*log.mutable_options())[name] = value;
  }
  [[nodiscard]] std::filesystem::path log_directory() const { return place_.data_dir() / "logs" / kTaskId / "web"; }
  [[nodiscard]] std::uintmax_t spooled() const {
    std::uintmax_t bytes = 0;
    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(log_directory(), error)) {
      if (file.path().filename().string().starts_with("json.log")) bytes += file.file_size(error);
    }
    return bytes;
  }
};

TEST_F(TasksLogDrivers, SyslogGetsTheLinesAndTheHostKeepsThemToo) {
  DatagramReceiver receiver(place_.data_dir().string() + ".syslog");
  auto one = request({{.name = "web"}});
  sh(one, 0, "echo out; echo err >&2");
  log_to(one, "syslog", {{"syslog-address", "unixgram://" + place_.data_dir().string() + ".syslog"}, {"tag", "{{.Name}}"}});
  const auto last = run_to_end(one);
  EXPECT_EQ(last.containers(0).exit_code(), 0) << last.stopped_reason();
  std::vector<std::string> got = {receiver.next(), receiver.next()};
  std::sort(got.begin(), got.end());
  EXPECT_THAT(got, ElementsAre(AllOf(StartsWith("<27>"), HasSubstr(" web["), EndsWith(": err")),
                               AllOf(StartsWith("<30>"), EndsWith(": out"))));
  EXPECT_EQ(log_lines({}).size(), 2U);
}

TEST_F(TasksLogDrivers, AwslogsGetsTheLinesInAStreamOfTheTasks) {
  CloudWatch cloud;
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) ::setenv(name, "of the agent", 1);
  auto one = request({{.name = "web"}});
  sh(one, 0, "echo one; echo two");
  log_to(one, "awslogs", {{"awslogs-group", "g"}, {"awslogs-region", "eu-west-1"}, {"awslogs-create-group", "true"}, {"awslogs-endpoint", cloud.url()}, {"awslogs-stream-prefix", "p"}});
  const auto last = run_to_end(one);
  EXPECT_EQ(last.containers(0).exit_code(), 0) << last.stopped_reason();
  EXPECT_TRUE(cloud.messages.await(2));
  EXPECT_THAT(cloud.texts(), ElementsAre("one", "two"));
  EXPECT_TRUE(cloud.has_stream("g", "p/web/" + kTaskId));
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) ::unsetenv(name);
}

TEST_F(TasksLogDrivers, JournaldGetsTheLinesWithTheNameOfTheContainer) {
  DatagramReceiver receiver(journal());
  auto one = request({{.name = "web"}});
  sh(one, 0, "echo out");
  log_to(one, "journald", {{"tag", "mine"}});
  const auto last = run_to_end(one);
  EXPECT_EQ(last.containers(0).exit_code(), 0) << last.stopped_reason();
  EXPECT_THAT(receiver.next(), AllOf(HasSubstr("MESSAGE=out\n"), HasSubstr("PRIORITY=6\n"), HasSubstr("CONTAINER_NAME=web\n"),
                                     HasSubstr("SYSLOG_IDENTIFIER=mine\n")));
}

TEST_F(TasksLogDrivers, NoneKeepsNothingAndSaysSo) {
  auto one = request({{.name = "web"}});
  sh(one, 0, "echo out");
  log_to(one, "none", {});
  const auto last = run_to_end(one);
  ASSERT_TRUE(last.containers(0).has_exit_code()) << last.stopped_reason();
  EXPECT_EQ(last.containers(0).exit_code(), 0);
  EXPECT_FALSE(std::filesystem::exists(log_directory() / "json.log"));
  v1::LogsRequest asked;
  asked.set_task_id(kTaskId);
  const auto logs = tasks_->logs(asked, [](const v1::LogRecord&) { return true; }, {});
  ASSERT_FALSE(logs);
  EXPECT_EQ(logs.error().status, BERTH_PRECONDITION);
  EXPECT_THAT(logs.error().message, HasSubstr("none"));
}

TEST_F(TasksLogDrivers, AContainerWhoseReceiverIsNotThereDoesNotStart) {
  auto one = request({{.name = "web"}});
  sh(one, 0, "echo never");
  log_to(one, "syslog", {{"syslog-address", "unixgram:///absent/socket"}});
  const auto last = run_to_end(one);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_THAT(last.containers(0).reason(), StartsWith("CannotStartContainerError: failed to initialize logging driver: "));
}

TEST_F(TasksLogDrivers, AProgramWaitsForItsReceiverAndLosesNothing) {
  constexpr std::size_t kLines = 30'000;  // of 1 KiB: more than the spool holds
  std::mutex mutex;
  std::condition_variable arrived;
  // A line is told by its beginning, longer than what the protocol's own numbers and lengths spell by chance.
  constexpr std::string_view kMark = "Qline:xx";
  std::size_t matched = 0;
  std::size_t lines = 0;
  int port = 0;
  const auto take = [&](const std::string& some, int) {
    const std::lock_guard lock(mutex);
    for (const char c : some) {
      matched = c == kMark[matched] ? matched + 1 : static_cast<std::size_t>(c == kMark[0]);
      if (matched == kMark.size()) {
        ++lines;
        matched = 0;
      }
    }
    arrived.notify_all();
    return some.size();
  };
  { port = StreamReceiver(take).port(); }
  auto one = request({{.name = "web", .stop_timeout = 0}});
  sh(one, 0, "line=$(head -c 1000 /dev/zero | tr '\\0' x); i=0; while [ $i -lt " + std::to_string(kLines) +
                 " ]; do echo Qline:$line; i=$((i+1)); done");
  log_to(one, "fluentd", {{"fluentd-address", "127.0.0.1:" + std::to_string(port)}, {"fluentd-async", "true"}, {"fluentd-retry-wait", "50ms"}, {"mode", "blocking"}});
  ASSERT_TRUE(tasks_->start(one));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  berth::test::HostEvents events;
  events.watch_directory(log_directory());
  // The spool is full: 20 MiB, but for what was left at the end of each of the three files that are not written any more.
  ASSERT_TRUE(events.until([this] { return spooled() > (std::uintmax_t{20} << 20) - 3 * 2048; }, std::chrono::minutes(2)));
  EXPECT_EQ(tasks_->list()[0].containers(0).last_status(), "RUNNING") << "it waits in its pipe";
  StreamReceiver receiver(take, port);
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->containers(0).exit_code(), 0);
  EXPECT_TRUE(events.until([this] { return !std::filesystem::exists(log_directory() / "shipment"); }, std::chrono::minutes(1)));
  EXPECT_LT(spooled(), std::uintmax_t{22} << 20);
  // What was sent may still be in the socket.
  std::unique_lock lock(mutex);
  arrived.wait_for(lock, std::chrono::minutes(1), [&] { return lines >= kLines; });
  EXPECT_EQ(lines, kLines);
}

}  // namespace
}  // namespace berth::runtime
