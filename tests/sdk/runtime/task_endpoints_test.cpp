// SPDX-License-Identifier: Apache-2.0
// What real containers read at their endpoints: metadata, stats, credentials. Needs root.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <functional>

#include "tests/sdk/runtime/by_runtime.hpp"
#include "tests/sdk/runtime/running_tasks.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using testing::kTaskId;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kRole = "arn:aws:iam::000000000000:role/app";
constexpr const char* kOtherId = "22222222222222222222222222222222";
// busybox's wget prints nothing of an answer that is not 200; its exit code tells.
constexpr const char* kGet = "busybox wget -qO- ";
// Of $u, with the head of the answer, and by a client that works in a sandbox, too: to busybox's
// wget the kernel of runsc 20221219 says EAGAIN.
constexpr const char* kAsk =
    "; u=${u#http://}; h=${u%%/*}; p=${h#*:}; [ $p = $h ] && p=80; "
    "printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' ${u#*/} | nc ${h%:*} $p";

class EndpointsOnHost : public testing::RunningTasks {
 protected:
  Roles::Source source() override {
    return [this](const v1::TaskCredentialsRequest& request, const Roles::Answer& answer) {
      if (!known_) return answer(sdk::fail(BERTH_NOT_FOUND, "no plugin knows the role"));
      v1::RoleCredentials out;
      out.set_role_arn(kRole);
      out.set_access_key_id("AKIA" + request.task_id().substr(0, 4));
      out.set_secret_access_key("the-secret-key");
      out.set_session_token("the-token");
      answer(out);
    };
  }
  static void give_role(v1::StartTaskRequest& request) {
    request.mutable_definition()->set_task_role_arn(kRole);
  }
  json::object parsed() {
    json::error_code error;
    const std::string answer = output();
    const auto head = answer.find("\r\n\r\n");
    auto value = json::parse(head == std::string::npos ? answer : answer.substr(head + 4), error);
    EXPECT_TRUE(!error && value.is_object()) << answer;
    return value.is_object() ? value.get_object() : json::object{};
  }
  // Runs one question, and reads its answer.
  json::object asked(const std::string& url, const std::string& mode = "bridge") {
    auto task = script("u=" + url + kAsk);
    task.mutable_definition()->set_network_mode(mode);
    give_role(task);
    (*main_of(task).mutable_docker_labels())["com.example.team"] = "red";
    if (change_) change_(task);
    task.add_container_arns("arn:aws:ecs:us-east-1:000000000000:container/default/c/1");
    task.set_availability_zone("us-east-1a");
    task.set_group("service:web");
    auto* tag = task.add_tags();
    tag->set_key("team");
    tag->set_value("red");
    const auto last = run_to_end(task);
    EXPECT_EQ(last.containers_size() > 0 ? last.containers(0).exit_code() : -1, 0)
        << last.stopped_reason();
    return parsed();
  }
  bool known_ = true;
  std::function<void(v1::StartTaskRequest&)> change_;  // what a test adds to the task that asks
};

using EndpointsByRuntime = testing::ByRuntime<EndpointsOnHost>;

TEST_P(EndpointsByRuntime, TellAContainerOfItself) {
  const auto shown = asked("$ECS_CONTAINER_METADATA_URI_V4");
  EXPECT_EQ(shown.at("Name"), "main");
  EXPECT_EQ(shown.at("DockerId"), json::value(kTaskId + "-0"));
  EXPECT_EQ(shown.at("Image"), json::value(registry_->image()));
  EXPECT_THAT(std::string(shown.at("ImageID").as_string()), StartsWith("sha256:"));
  EXPECT_EQ(shown.at("DesiredStatus"), "RUNNING");
  EXPECT_EQ(shown.at("Type"), "NORMAL");
  EXPECT_EQ(shown.at("LogDriver"), "json-file");
  EXPECT_EQ(shown.at("ContainerARN"), "arn:aws:ecs:us-east-1:000000000000:container/default/c/1");
  EXPECT_EQ(shown.at("Limits"), (json::object{{"CPU", 2}, {"Memory", 64}}));
  const auto& labels = shown.at("Labels").as_object();
  EXPECT_EQ(labels.at("com.example.team"), "red");
  EXPECT_EQ(labels.at("com.amazonaws.ecs.container-name"), "main");
  EXPECT_EQ(labels.at("com.amazonaws.ecs.task-definition-family"), "family");
  EXPECT_EQ(labels.at("com.amazonaws.ecs.task-definition-version"), "3");
  EXPECT_EQ(labels.at("com.amazonaws.ecs.cluster"), "default");
  const auto& network = shown.at("Networks").as_array().at(0).as_object();
  EXPECT_EQ(network.at("NetworkMode"), "bridge");
  EXPECT_EQ(network.at("IPv4Addresses").as_array().size(), 1U);
}

TEST_P(EndpointsByRuntime, TellAContainerOfItsTask) {
  const auto shown = asked("$ECS_CONTAINER_METADATA_URI_V4/taskWithTags", "none");
  EXPECT_EQ(shown.at("Cluster"), "default");
  EXPECT_EQ(shown.at("TaskARN"),
            json::value("arn:aws:ecs:us-east-1:000000000000:task/default/" + kTaskId));
  EXPECT_EQ(shown.at("Family"), "family");
  EXPECT_EQ(shown.at("Revision"), "3");
  EXPECT_EQ(shown.at("AvailabilityZone"), "us-east-1a");
  EXPECT_EQ(shown.at("LaunchType"), "EC2");
  EXPECT_EQ(shown.at("ServiceName"), "web");
  EXPECT_EQ(shown.at("TaskTags"), (json::object{{"team", "red"}}));
  ASSERT_EQ(shown.at("Containers").as_array().size(), 1U);
  EXPECT_EQ(shown.at("Containers").as_array().at(0).at("Name"), "main");
  EXPECT_TRUE(shown.contains("PullStartedAt"));
  EXPECT_GT(shown.at("ClockDrift").at("ClockErrorBound").to_number<double>(), 0);
}

TEST_P(EndpointsByRuntime, TellTheLimitsOfTheCallInPlaceOfTheDefinitions) {
  change_ = [](v1::StartTaskRequest& task) {
    task.mutable_definition()->set_cpu("1024");
    task.mutable_definition()->set_memory("512");
    task.mutable_overrides()->set_cpu("256");
    task.mutable_overrides()->set_memory("128");
  };
  const auto shown = asked("$ECS_CONTAINER_METADATA_URI_V4/task");
  EXPECT_EQ(shown.at("Limits"), (json::object{{"CPU", 0.25}, {"Memory", 128}}));
}

TEST_F(EndpointsOnHost, TellAContainerOfItsHealthAndItsVolumes) {
  auto task = script("while [ ! -e /scratch/go ]; do sleep 0.05; done; " + std::string(kGet) +
                     "$ECS_CONTAINER_METADATA_URI_V4");
  task.mutable_definition()->add_volumes()->set_name("scratch");
  auto& point = *main_of(task).add_mount_points();
  point.set_source_volume("scratch");
  point.set_container_path("/scratch");
  // What the second check says is that of the first: it has been told when the second begins.
  auto& check = *main_of(task).mutable_health_check();
  for (const char* word :
       {"CMD-SHELL", "[ -e /tmp/n ] && touch /scratch/go; touch /tmp/n; echo well"})
    check.add_command(word);
  check.set_interval(1);
  check.set_timeout(20);
  EXPECT_EQ(run_to_end(task).containers(0).exit_code(), 0);
  const auto shown = parsed();
  const auto& health = shown.at("Health").as_object();
  EXPECT_EQ(health.at("status"), "HEALTHY");
  EXPECT_TRUE(std::string(health.at("statusSince").as_string()).ends_with("Z"));
  EXPECT_EQ(health.at("output"), "well");
  EXPECT_EQ(shown.at("Volumes"),
            (json::array{json::object{{"DockerName", "scratch"}, {"Destination", "/scratch"}}}));
}

TEST_F(EndpointsOnHost, SpeakTheThirdVersionWithoutWhatTheFourthAdded) {
  const auto shown = asked("$ECS_CONTAINER_METADATA_URI");
  EXPECT_EQ(shown.at("Name"), "main");
  EXPECT_FALSE(shown.contains("LogDriver"));
  EXPECT_FALSE(shown.contains("ContainerARN"));
}

TEST_F(EndpointsOnHost, SpeakTheSecondVersionByWhereTheQuestionComesFrom) {
  const auto shown = asked("http://169.254.170.2/v2/metadata");
  EXPECT_EQ(shown.at("Family"), "family");
  EXPECT_FALSE(shown.contains("LaunchType"));
}

TEST_F(EndpointsOnHost, CountWhatTheContainerUses) {
  const auto shown = asked("$ECS_CONTAINER_METADATA_URI_V4/task/stats");
  const auto& stats = shown.at(kTaskId + "-0").as_object();
  EXPECT_GT(stats.at("cpu_stats").at("cpu_usage").at("total_usage").to_number<std::uint64_t>(), 0U);
  EXPECT_GT(stats.at("cpu_stats").at("system_cpu_usage").to_number<std::uint64_t>(), 0U);
  const auto& memory = stats.at("memory_stats").as_object();
  EXPECT_EQ(memory.at("limit").to_number<std::uint64_t>(), 64U << 20U);
  const auto& detail = memory.at("stats").as_object();
  const char* cache =
      detail.contains("total_inactive_file") ? "total_inactive_file" : "inactive_file";
  EXPECT_LE(detail.at(cache).to_number<std::uint64_t>(),
            memory.at("usage").to_number<std::uint64_t>());
}

TEST_P(EndpointsByRuntime, GiveTheCredentialsOfTheTasksRole) {
  const auto shown = asked("http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  EXPECT_EQ(shown.at("RoleArn"), kRole);
  EXPECT_EQ(shown.at("AccessKeyId"), "AKIA0123");
  EXPECT_EQ(shown.at("SecretAccessKey"), "the-secret-key");
  EXPECT_EQ(shown.at("Token"), "the-token");
  EXPECT_TRUE(std::string(shown.at("Expiration").as_string()).ends_with("Z"));
}

TEST_F(EndpointsOnHost, AreOnLoopbackWhereATaskHasTheHostsNetwork) {
  const auto shown = asked("$AWS_CONTAINER_CREDENTIALS_FULL_URI", "host");
  EXPECT_EQ(shown.at("SecretAccessKey"), "the-secret-key");
}

TEST_F(EndpointsOnHost, LeavePort80ToTheContainer) {
  auto task = script(std::string("httpd -p 80 -h /www && ") + kGet + "http://127.0.0.1/ && " +
                     kGet + "$ECS_CONTAINER_METADATA_URI_V4");
  EXPECT_EQ(run_to_end(task).containers(0).exit_code(), 0);
  EXPECT_THAT(output(), HasSubstr("hello\n"));
  EXPECT_THAT(output(), HasSubstr("\"Name\":\"main\""));
}

TEST_F(EndpointsOnHost, TellATaskNothingOfAnother) {
  auto first = script("echo $ECS_CONTAINER_METADATA_URI_V4; echo up; exec sleep 1000");
  give_role(first);
  ASSERT_TRUE(tasks_->start(first));
  ASSERT_TRUE(says("up"));
  const std::string uri = output().substr(0, output().find('\n'));
  // The other knows the id, and the first one's credentials' too: both are nothing to it.
  auto second = script(std::string(kGet) + uri + " || echo refused", kOtherId);
  ASSERT_EQ(run_to_end(second).containers(0).exit_code(), 0);
  EXPECT_THAT(output(kOtherId), HasSubstr("refused\n"));
  EXPECT_THAT(output(kOtherId), Not(HasSubstr("main")));
}

TEST_F(EndpointsOnHost, AnswerAgainAfterARestartOfTheAgentAtTheSamePlaces) {
  auto task = script("while [ ! -e /tmp/go ]; do sleep 0.05; done; " + std::string(kGet) +
                     "$ECS_CONTAINER_METADATA_URI_V4/task && " + kGet +
                     "http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  give_role(task);
  task.mutable_definition()->set_network_mode("none");
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  open_again();
  std::ofstream(place_.data_dir() / "tasks" / kTaskId / "0/fs/rootfs/tmp/go") << "go";
  const auto last = reached(v1::TASK_PHASE_STOPPED);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->containers(0).exit_code(), 0);
  EXPECT_THAT(output(), HasSubstr("\"KnownStatus\":\"RUNNING\""));
  EXPECT_THAT(output(), HasSubstr("the-secret-key"));
}

TEST_P(EndpointsByRuntime, StopATaskWhoseRoleNobodyKnowsInECSsWords) {
  known_ = false;
  auto task = script("true");
  give_role(task);
  const auto last = run_to_end(task);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_THAT(last.stopped_reason(),
              StartsWith("ECS was unable to assume the role '" + std::string(kRole) + "'"));
  EXPECT_FALSE(last.containers(0).has_exit_code());
}

TEST_F(EndpointsOnHost, WriteNoCredentialsToDisk) {
  auto task = script(std::string(kGet) +
                     "http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI >/dev/null");
  give_role(task);
  EXPECT_EQ(run_to_end(task).containers(0).exit_code(), 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(place_.data_dir())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text.find("the-secret-key"), std::string::npos) << entry.path();
  }
}

INSTANTIATE_TEST_SUITE_P(By, EndpointsByRuntime, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
