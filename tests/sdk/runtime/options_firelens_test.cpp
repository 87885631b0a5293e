// SPDX-License-Identifier: Apache-2.0
// Log routers (FireLens) and containers that log to them: what the router is configured with, what
// arrives at its socket, and when it starts and stops.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include "tests/sdk/runtime/probe_fixture.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kTaskId;
using ::testing::StartsWith;

// Of no other text, so that a search for it finds nothing but itself.
constexpr const char* kValue = "xK9-the-secret-value-q7";
constexpr const char* kFluentbit = "/fluent-bit/etc/fluent-bit.conf";
constexpr const char* kFluentd = "/fluentd/etc/fluent.conf";

// A socket of the host's that nobody is to be led to.
class UnixReceiver {
 public:
  explicit UnixReceiver(std::string path)
      : path_(std::move(path)), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 4), 0);
  }
  ~UnixReceiver() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  UnixReceiver(const UnixReceiver&) = delete;
  UnixReceiver& operator=(const UnixReceiver&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  // Whether somebody has connected.
  [[nodiscard]] bool was_asked() const {
    pollfd polled{fd_, POLLIN, 0};
    return ::poll(&polled, 1, 0) > 0;
  }

 private:
  const std::string path_;
  const int fd_;
};

class ContainerLogRouter : public testing::Probe {
 protected:
  ~ContainerLogRouter() override {
    std::error_code error;
    fs::remove_all(kept_, error);
  }
  void configure(TasksConfig& config) override {
    config.ec2_instance_id = "i-0123456789abcdef0";
    config.secret_settings.directory = kept_ / "secrets";
    config.secret_settings.environment_files = kept_ / "objects";
    config.secret_settings.ask_aws = false;
  }
  void keep(const char* name, const std::string& text) {
    fs::create_directories((kept_ / name).parent_path());
    std::ofstream(kept_ / name) << text;
    ::chmod((kept_ / name).c_str(), 0600);
  }
  // "app" logs to "router", which is the last of the definition all the same.
  v1::StartTaskRequest routed(const std::string& type = "fluentbit") {
    auto task = request({{.name = "app", .stop_timeout = 5},
                         {.name = "router", .essential = false, .stop_timeout = 20}});
    task.set_cluster("blue");
    task.set_task_arn("arn:aws:ecs:us-east-1:000000000000:task/blue/" + kTaskId);
    task.mutable_definition()->set_revision(7);
    container(task, 1).mutable_firelens_configuration()->set_type(type);
    auto& log = *container(task, 0).mutable_log_configuration();
    log.set_log_driver("awsfirelens");
    (*log.mutable_options())[type == "fluentbit" ? "Name" : "@type"] = "http";
    const std::string config = type == "fluentbit" ? kFluentbit : kFluentd;
    tries(task, 1, {"read=" + config, "stat=/var/run", "receive=/var/run/fluent.sock", "hold"});
    return task;
  }
  // Of what the router told: its first line says what it sees, the others what came.
  struct Told {
    json::value sight;
    std::vector<json::value> came;
  };
  Told told_by_router(const std::string& id = kTaskId) {
    v1::LogsRequest asked;
    asked.set_task_id(id);
    asked.add_containers("router");
    asked.set_follow(true);
    std::vector<std::string> lines = {""};
    EXPECT_TRUE(tasks_->logs(asked,
                             [&](const v1::LogRecord& record) {
                               lines.back() += record.data();
                               if (!record.partial()) lines.emplace_back();
                               return true;
                             },
                             {}));
    Told told;
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
      boost::system::error_code error;
      auto value = json::parse(lines[i], error);
      EXPECT_FALSE(error) << lines[i];
      if (i == 0) {
        told.sight = std::move(value);
      } else {
        told.came.push_back(std::move(value));
      }
    }
    return told;
  }
  static std::string record(const json::value& entry, const std::string& key) {
    return text(entry.at("record"), key);
  }
  // Files of the agent's that hold the value, and that do not lie in memory.
  std::vector<std::string> files_with_the_value() {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(place_.data_dir())) {
      const bool in_memory = entry.path().string().find("/secret/") != std::string::npos;
      const bool own_log = entry.path().filename().string().starts_with("json.log");
      if (!entry.is_regular_file() || in_memory || own_log) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      if (text.find(kValue) != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }

  const fs::path kept_ = testing::new_directory("kept");
};

TEST_P(ContainerLogRouter, GetsTheLinesOfTheOthersBeforeItIsToldToStop) {
  auto task = routed();
  tries(task, 0, {"say=the last line"});
  ASSERT_TRUE(tasks_->start(task));
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->containers(0).exit_code(), 0) << last->stopped_reason();
  EXPECT_EQ(last->containers(1).exit_code(), 0) << "it stopped when it was told to";
  const Told told = told_by_router();
  ASSERT_EQ(told.came.size(), 2U);
  EXPECT_EQ(text(told.came[0], "tag"), "app-firelens-" + kTaskId);
  EXPECT_EQ(record(told.came[0], "source"), "stdout");
  EXPECT_EQ(record(told.came[0], "container_name"), "/app");
  EXPECT_EQ(record(told.came[0], "container_id"), kTaskId + "-0");
  EXPECT_EQ(record(told.came[1], "log"), "the last line");
  EXPECT_THAT(record(told.came[0], "log"), HasSubstr("FLUENT_PORT=24224")) << "what the app saw";
  v1::LogsRequest asked;
  asked.set_task_id(kTaskId);
  asked.add_containers("app");
  std::size_t lines = 0;
  EXPECT_TRUE(
      tasks_->logs(asked, [&](const v1::LogRecord& one) { return lines += !one.partial(); }, {}));
  EXPECT_EQ(lines, 2U) << "the host keeps them too";
}

TEST_P(ContainerLogRouter, IsConfiguredForFluentBitByTheOptionsOfTheOthers) {
  auto task = routed();
  auto& options = *container(task, 0).mutable_log_configuration()->mutable_options();
  options["Host"] = "logs.example";
  options["include-pattern"] = "^[Ee]rror";
  options["exclude-pattern"] = "debug";
  options["log-driver-buffer-limit"] = "2097152";
  options["mode"] = "non-blocking";
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(stopped());
  const Told told = told_by_router();
  const std::string config = tried(told.sight, std::string("read=") + kFluentbit);
  for (const char* section : {
           "[INPUT]\n    Name forward\n    unix_path /var/run/fluent.sock\n",
           "[INPUT]\n    Name forward\n    Listen 0.0.0.0\n    Port 24224\n",
           "[FILTER]\n    Name grep\n    Match app-firelens*\n    Regex log ^[Ee]rror\n",
           "[FILTER]\n    Name grep\n    Match app-firelens*\n    Exclude log debug\n",
           "[FILTER]\n    Name record_modifier\n    Match *\n"
           "    Record ec2_instance_id i-0123456789abcdef0\n    Record ecs_cluster blue\n",
           "    Record ecs_task_definition family:7\n",
           "[OUTPUT]\n    Name http\n    Match app-firelens*\n    Host logs.example\n\n",
       }) {
    EXPECT_THAT(config, HasSubstr(section));
  }
  EXPECT_THAT(
      config,
      HasSubstr("    Record ecs_task_arn arn:aws:ecs:us-east-1:000000000000:task/blue/" + kTaskId));
  EXPECT_THAT(mount(told.sight, kFluentbit), HasSubstr("ro")) << "it cannot change it";
}

TEST_P(ContainerLogRouter, IsConfiguredForFluentdInItsOwnLanguage) {
  auto task = routed("fluentd");
  auto& router = container(task, 1);
  auto& options = *router.mutable_firelens_configuration()->mutable_options();
  options["enable-ecs-log-metadata"] = "false";
  options["config-file-type"] = "file";
  options["config-file-value"] = "/etc/own.conf";
  (*container(task, 0).mutable_log_configuration()->mutable_options())["endpoint"] =
      "http://logs.example";
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(stopped());
  const Told told = told_by_router();
  EXPECT_EQ(tried(told.sight, std::string("read=") + kFluentd),
            "<source>\n  @type unix\n  path /var/run/fluent.sock\n</source>\n\n"
            "<source>\n  @type forward\n  bind 0.0.0.0\n  port 24224\n</source>\n\n"
            "@include /etc/own.conf\n\n"
            "<match app-firelens**>\n  @type http\n  endpoint http://logs.example\n</match>\n\n");
  EXPECT_EQ(told.came.size(), 1U);
}

TEST_P(ContainerLogRouter, ReadsAConfigurationOfTheUsersThatIsAnObjectInS3) {
  keep("objects/bucket/own.conf", "[FILTER]\n    Name lua\n");
  auto task = routed();
  auto& options = *container(task, 1).mutable_firelens_configuration()->mutable_options();
  options["config-file-type"] = "s3";
  options["config-file-value"] = "arn:aws:s3:::bucket/own.conf";
  tries(task, 1, {"read=/fluent-bit/etc/external.conf"});
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(stopped());
  const auto sight = told_by_router().sight;
  EXPECT_THAT(tried(sight, std::string("read=") + kFluentbit),
              HasSubstr("@INCLUDE /fluent-bit/etc/external.conf\n"));
  EXPECT_EQ(tried(sight, "read=/fluent-bit/etc/external.conf"), "[FILTER]\n    Name lua\n");
  auto other = routed();
  other.set_task_id(testing::kOtherTask);
  auto& missing = *container(other, 1).mutable_firelens_configuration()->mutable_options();
  missing = options;
  missing["config-file-value"] = "arn:aws:s3:::bucket/absent.conf";
  EXPECT_THAT(run(other).containers(1).reason(),
              StartsWith("ResourceInitializationError: failed to download the log router's "
                         "configuration: arn:aws:s3:::bucket/absent.conf"));
}

TEST_P(ContainerLogRouter, HasTheSecretOptionsOfTheOthersAsVariablesAndOnNoDisk) {
  keep("secrets/app/key", std::string(kValue) + "\n");
  auto task = routed();
  auto& secret = *container(task, 0).mutable_log_configuration()->add_secret_options();
  secret.set_name("http_Passwd");
  secret.set_value_from("/app/key");
  tries(task, 0, {"hold"});
  container(task, 1).mutable_log_configuration()->set_log_driver("none");
  ASSERT_TRUE(tasks_->start(task));
  const auto up = reached(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(up);
  ASSERT_EQ(up->phase(), v1::TASK_PHASE_RUNNING) << up->containers(1).reason();
  EXPECT_THAT(files_with_the_value(), IsEmpty());
  const fs::path config = place_.data_dir() / "tasks" / kTaskId / "router/config";
  std::ifstream file(config);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(text, HasSubstr("    http_Passwd ${http_Passwd_0}\n"));
  stop();
  ASSERT_TRUE(stopped());
  EXPECT_THAT(files_with_the_value(), IsEmpty());
  auto again = routed();
  again.set_task_id(testing::kOtherTask);
  *container(again, 0).mutable_log_configuration()->add_secret_options() = secret;
  ASSERT_TRUE(tasks_->start(again));
  ASSERT_TRUE(stopped(testing::kOtherTask));
  EXPECT_TRUE(has(told_by_router(testing::kOtherTask).sight.at("env"),
                  std::string("http_Passwd_0=") + kValue));
}

TEST_P(ContainerLogRouter, IsReachedByProgramsWhereItHasANetworkOfTheTask) {
  int number = 0;
  for (const char* mode : {"bridge", "none", "host"}) {
    auto task = routed();
    task.set_task_id(std::string(31, '3') + std::to_string(number++));
    task.mutable_definition()->set_network_mode(mode);
    ASSERT_TRUE(tasks_->start(task)) << mode;
    ASSERT_TRUE(stopped(task.task_id())) << mode;
    const Told told = told_by_router(task.task_id());
    ASSERT_EQ(told.came.size(), 1U) << mode;
    const bool with_port = std::string_view(mode) == "bridge";
    const std::string app = record(told.came[0], "log");
    EXPECT_EQ(app.find("\"FLUENT_HOST=") != std::string::npos, with_port) << mode << ": " << app;
    EXPECT_EQ(tried(told.sight, std::string("read=") + kFluentbit).find("Port 24224") !=
                  std::string::npos,
              with_port)
        << mode;
  }
}

TEST_P(ContainerLogRouter, OwnsTheDirectoryOfItsSocketWhoeverItIs) {
  auto task = routed();
  container(task, 1).set_user("app");
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(stopped());
  const Told told = told_by_router();
  EXPECT_EQ(tried(told.sight, "stat=/var/run"), "755 1234:1234");
  EXPECT_EQ(told.came.size(), 1U);
}

TEST_P(ContainerLogRouter, CannotLeadTheHostToASocketOfTheHosts) {
  UnixReceiver trap(place_.data_dir().string() + ".trap");
  auto task = routed();
  container(task, 1).clear_command();
  tries(task, 1, {"symlink=" + trap.path() + ">/var/run/fluent.sock", "hold"});
  tries(task, 0, {"say=for the router"});
  ASSERT_TRUE(tasks_->start(task));
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->containers(0).exit_code(), 0) << "its program does not wait for a router";
  EXPECT_EQ(tried(told_by_router().sight, "symlink=" + trap.path() + ">/var/run/fluent.sock"),
            "ok");
  EXPECT_FALSE(trap.was_asked());
  EXPECT_FALSE(fs::exists(place_.data_dir() / "logs" / kTaskId / "app/shipment"))
      << "it is given up";
}

TEST_P(ContainerLogRouter, IsRefusedWhereItCannotWork) {
  const auto check = [this](auto&& change) {
    auto task = routed();
    change(task);
    return refused(task);
  };
  using Task = v1::StartTaskRequest;
  const auto router_option = [](const char* name, const char* value) {
    return [=](Task& task) {
      (*container(task, 1).mutable_firelens_configuration()->mutable_options())[name] = value;
    };
  };
  const std::string of_router = "containerDefinitions[1].firelensConfiguration";
  const std::string of_app = "containerDefinitions[0].logConfiguration";
  EXPECT_EQ(
      check([](Task& t) { container(t, 1).mutable_firelens_configuration()->set_type("vector"); }),
      of_router + ".type");
  EXPECT_EQ(check(router_option("colour", "blue")), of_router + ".options");
  EXPECT_EQ(check(router_option("config-file-type", "file")), of_router + ".options");
  EXPECT_EQ(check([](Task& t) {
              *container(t, 0).mutable_firelens_configuration() =
                  container(t, 1).firelens_configuration();
            }),
            of_app + ".logDriver");
  EXPECT_EQ(check([](Task& t) { container(t, 1).clear_firelens_configuration(); }),
            of_app + ".logDriver");
  EXPECT_EQ(check([](Task& t) {
              auto* dependency = container(t, 1).add_depends_on();
              dependency->set_container_name("app");
              dependency->set_condition("START");
            }),
            "containerDefinitions[0].dependsOn");
  EXPECT_EQ(check([](Task& t) {
              (*container(t, 0).mutable_log_configuration()->mutable_options())["a"] =
                  "b\n[OUTPUT]";
            }),
            of_app + ".options");
  EXPECT_EQ(check([](Task& t) {
              auto& secret = *container(t, 1).mutable_log_configuration()->add_secret_options();
              secret.set_name("key");
              secret.set_value_from("/app/key");
            }),
            "containerDefinitions[1].logConfiguration.secretOptions");
}

INSTANTIATE_TEST_SUITE_P(By, ContainerLogRouter, ::testing::Values("crun", "runc"));

class LogRouterInASandbox : public testing::Probe {};

TEST_P(LogRouterInASandbox, IsRefusedByName) {
  auto task = request({{.name = "app"}, {.name = "router"}});
  container(task, 1).mutable_firelens_configuration()->set_type("fluentbit");
  EXPECT_EQ(refused(task), "containerDefinitions[1].firelensConfiguration");
}

INSTANTIATE_TEST_SUITE_P(By, LogRouterInASandbox, ::testing::Values("runsc"));

}  // namespace
}  // namespace berth::runtime
