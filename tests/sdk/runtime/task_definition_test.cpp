// SPDX-License-Identifier: Apache-2.0
// What a container runs and may use, merged from image, definition and override.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/task_limits.hpp"
#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using testing::request_of;

v1::TaskInterface an_interface() {
  v1::TaskInterface interface;
  interface.set_address("10.64.0.4");
  interface.set_prefix_length(20);
  interface.set_gateway("10.64.0.1");
  interface.set_mac_address("02:be:0a:40:00:04");
  return interface;
}

class TaskDefinition : public ::testing::Test {
 protected:
  v1::ecs::ContainerDefinition& definition() {
    return *request.mutable_definition()->mutable_container_definitions(0);
  }
  v1::ecs::ContainerOverride& changes() {
    if (request.overrides().container_overrides_size() == 0) {
      request.mutable_overrides()->add_container_overrides()->set_name("web");
    }
    return *request.mutable_overrides()->mutable_container_overrides(0);
  }
  static void add_env(google::protobuf::RepeatedPtrField<v1::ecs::KeyValuePair>& list, const std::string& name,
                      const std::string& value) {
    auto* pair = list.Add();
    pair->set_name(name);
    pair->set_value(value);
  }
  ContainerProcess merged() {
    auto process = merge_process(request, 0, image, "host1");
    EXPECT_TRUE(process) << process.error().message;
    return *process;
  }
  std::string refused_member() {
    auto fine = check_supported(request);
    return fine ? "" : fine.error().field;
  }

  v1::StartTaskRequest request = request_of({{.name = "web"}});
  image::ImageConfig image{.entrypoint = {"/entry"}, .cmd = {"image-cmd"}, .env = {"A=image", "B=image"},
                           .user = "image-user", .working_dir = "/image", .stop_signal = {}, .volumes = {},
                           .exposed_ports = {}, .labels = {}};
};

TEST_F(TaskDefinition, RunsWhatTheImageSays) {
  EXPECT_THAT(merged().args, ElementsAre("/entry", "image-cmd"));
  EXPECT_EQ(merged().cwd, "/image");
  EXPECT_EQ(merged().user, "image-user");
}

TEST_F(TaskDefinition, CommandReplacesTheImagesCommandOnly) {
  definition().add_command("mine");
  EXPECT_THAT(merged().args, ElementsAre("/entry", "mine"));
}

TEST_F(TaskDefinition, EntryPointTakesTheImagesCommandWithIt) {
  definition().add_entry_point("/own");
  EXPECT_THAT(merged().args, ElementsAre("/own"));
  definition().add_command("arg");
  EXPECT_THAT(merged().args, ElementsAre("/own", "arg"));
}

TEST_F(TaskDefinition, AnOverrideReplacesTheCommandOfTheDefinition) {
  definition().add_command("defined");
  changes().add_command("overridden");
  changes().add_command("too");
  EXPECT_THAT(merged().args, ElementsAre("/entry", "overridden", "too"));
}

TEST_F(TaskDefinition, RefusesToRunNothing) {
  image.entrypoint.clear();
  image.cmd.clear();
  EXPECT_FALSE(merge_process(request, 0, image, "h"));
}

TEST_F(TaskDefinition, EnvironmentOfTheOverrideBeatsDefinitionBeatsImage) {
  add_env(*definition().mutable_environment(), "B", "definition");
  add_env(*definition().mutable_environment(), "C", "definition");
  add_env(*changes().mutable_environment(), "C", "override");
  const auto env = merged().env;
  EXPECT_THAT(env, Contains("A=image"));
  EXPECT_THAT(env, Contains("B=definition"));
  EXPECT_THAT(env, Contains("C=override"));
  EXPECT_THAT(env, Not(Contains("B=image")));
  EXPECT_THAT(env, Contains("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
  EXPECT_THAT(env, Contains("HOSTNAME=host1"));
}

TEST_F(TaskDefinition, TellsTheLaunchTypeAndNoEndpointThatIsNotThere) {
  request.set_launch_type("EC2");
  const auto env = merged().env;
  EXPECT_THAT(env, Contains("AWS_EXECUTION_ENV=AWS_ECS_EC2"));
  for (const auto& entry : env) EXPECT_EQ(entry.find("ECS_CONTAINER_METADATA_URI"), std::string::npos);
}

TEST_F(TaskDefinition, UserAndDirectoryOfTheDefinitionWin) {
  definition().set_user("1000:1000");
  definition().set_working_directory("/mine");
  EXPECT_EQ(merged().user, "1000:1000");
  EXPECT_EQ(merged().cwd, "/mine");
}

TEST_F(TaskDefinition, LabelsOfTheDefinitionWinAndTheAgentAddsItsOwn) {
  image.labels = {{"a", "image"}, {"b", "image"}};
  (*definition().mutable_docker_labels())["b"] = "definition";
  request.set_task_arn("arn:x");
  const auto labels = merge_labels(request, 0, image);
  EXPECT_EQ(labels.at("a"), "image");
  EXPECT_EQ(labels.at("b"), "definition");
  EXPECT_EQ(labels.at("com.amazonaws.ecs.task-arn"), "arn:x");
  EXPECT_EQ(labels.at("com.amazonaws.ecs.container-name"), "web");
}

TEST_F(TaskDefinition, KnowsSignalsByNameAndNumber) {
  EXPECT_EQ(parse_signal("SIGQUIT"), SIGQUIT);
  EXPECT_EQ(parse_signal("TERM"), SIGTERM);
  EXPECT_EQ(parse_signal("9"), SIGKILL);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), SIGRTMIN + 3);
  for (const char* wrong : {"", "0", "999", "-1", "SIGNOPE", "SIGRTMIN+", "SIGRTMIN+999"}) {
    EXPECT_EQ(parse_signal(wrong), 0) << wrong;
  }
}

TEST_F(TaskDefinition, ReadsTaskSizesAsEcsWritesThem) {
  request.mutable_definition()->set_cpu("0.5 vCPU");
  request.mutable_definition()->set_memory("1 GB");
  auto limits = read_task_limits(request, std::chrono::milliseconds(100));
  ASSERT_TRUE(limits) << limits.error().message;
  EXPECT_EQ(limits->cpu_units, 512U);
  EXPECT_EQ(limits->memory_bytes, std::uint64_t{1} << 30);
  request.mutable_overrides()->set_memory("64");
  EXPECT_EQ(read_task_limits(request, std::chrono::milliseconds(100))->memory_bytes, std::uint64_t{64} << 20);
  for (const char* wrong : {"much", "-5", "1 XB", "1e99", "nan", "-nan", "inf"}) {
    request.mutable_overrides()->set_memory(wrong);
    EXPECT_FALSE(read_task_limits(request, std::chrono::milliseconds(100))) << wrong;
  }
}

TEST_F(TaskDefinition, SumsTheSharesOfContainersEachAtLeastTwo) {
  request = request_of({{.name = "web"}, {.name = "b"}, {.name = "c"}});
  definition().set_cpu(256);
  request.mutable_definition()->mutable_container_definitions(1)->set_cpu(1);
  EXPECT_EQ(read_task_limits(request, std::chrono::milliseconds(100))->container_shares, 260U);
}

TEST_F(TaskDefinition, OverridesTheMemoryOfAContainer) {
  definition().set_memory(128);
  definition().set_memory_reservation(64);
  changes().set_memory(256);
  auto limits = read_container_limits(request, 0);
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->memory_bytes, std::uint64_t{256} << 20);
  EXPECT_EQ(limits->reservation_bytes, std::uint64_t{64} << 20);
  changes().set_memory(5);
  EXPECT_FALSE(read_container_limits(request, 0)) << "below the least";
  changes().set_memory(32);
  EXPECT_FALSE(read_container_limits(request, 0)) << "below the reservation";
}

TEST_F(TaskDefinition, ReadsPortsByNetworkMode) {
  auto* mapping = definition().add_port_mappings();
  mapping->set_container_port(80);
  ASSERT_TRUE(read_ports(request, 0));
  EXPECT_EQ((*read_ports(request, 0))[0].host_port, 0);
  request.mutable_definition()->set_network_mode("host");
  EXPECT_EQ((*read_ports(request, 0))[0].host_port, 80);
  mapping->set_host_port(8080);
  EXPECT_EQ(refused_member(), "containerDefinitions[0].portMappings[0].hostPort");
  request.mutable_definition()->set_network_mode("none");
  EXPECT_FALSE(read_ports(request, 0));
  request.mutable_definition()->set_network_mode("awsvpc");
  EXPECT_EQ(refused_member(), "task_interface");
  *request.mutable_task_interface() = an_interface();
  EXPECT_EQ(refused_member(), "containerDefinitions[0].portMappings[0].hostPort")
      << "8080, and not the container's 80";
  mapping->clear_host_port();
  EXPECT_EQ((*read_ports(request, 0))[0].host_port, 80);
  request.mutable_task_interface()->set_address("10.0.0");
  EXPECT_EQ(refused_member(), "task_interface.address");
}

TEST_F(TaskDefinition, ReadsTheOptionsOfJsonFile) {
  auto& log = *definition().mutable_log_configuration();
  log.set_log_driver("json-file");
  (*log.mutable_options())["max-size"] = "10m";
  (*log.mutable_options())["max-file"] = "3";
  auto target = read_log_options(request, 0);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->max_bytes, std::uint64_t{10} << 20);
  EXPECT_EQ(target->max_files, 3U);
  (*log.mutable_options())["max-file"] = "0";
  EXPECT_EQ(refused_member(), "containerDefinitions[0].logConfiguration.options[max-file]");
  log.mutable_options()->erase("max-file");
  (*log.mutable_options())["mode"] = "maybe";
  EXPECT_EQ(refused_member(), "containerDefinitions[0].logConfiguration.options[mode]");
  log.clear_options();
  log.set_log_driver("gelf");
  EXPECT_EQ(refused_member(), "containerDefinitions[0].logConfiguration.logDriver");
  log.set_log_driver("awslogs");
  EXPECT_EQ(refused_member(), "containerDefinitions[0].logConfiguration.options[awslogs-group]");
}

TEST_F(TaskDefinition, RefusesByNameWhatItDoesNotActOn) {
  EXPECT_EQ(refused_member(), "");
  request.mutable_definition()->set_enable_fault_injection(false);
  EXPECT_EQ(refused_member(), "") << "asking for nothing is fine";
  request.mutable_definition()->set_enable_fault_injection(true);
  EXPECT_EQ(refused_member(), "enableFaultInjection");
  request.mutable_definition()->clear_enable_fault_injection();
  definition().add_credential_specs("x");
  EXPECT_EQ(refused_member(), "containerDefinitions[0].credentialSpecs");
}

TEST_F(TaskDefinition, RefusesATaskMadeForAnotherArchitecture) {
  auto& platform = *request.mutable_definition()->mutable_runtime_platform();
  std::string refused;
  for (const char* architecture : {"X86_64", "ARM64"}) {
    platform.set_cpu_architecture(architecture);
    refused += refused_member();
  }
  EXPECT_EQ(refused, "runtimePlatform.cpuArchitecture") << "one of the two is this host's";
}

TEST_F(TaskDefinition, RefusesEnvironmentThatWouldBreakOut) {
  add_env(*definition().mutable_environment(), "A=B", "x");
  EXPECT_EQ(refused_member(), "containerDefinitions[0].environment");
}

TEST_F(TaskDefinition, RefusesAnOverrideOfNoContainer) {
  changes().set_name("ghost");
  EXPECT_EQ(refused_member(), "overrides.containerOverrides[0].name");
}

}  // namespace
}  // namespace berth::runtime
