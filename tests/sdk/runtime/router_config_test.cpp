// SPDX-License-Identifier: Apache-2.0
// The configuration of a log router, of several containers and in each network mode.
#include "sdk/runtime/options/router_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::runtime::options {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RouterConfig : public ::testing::Test {
 protected:
  RouterConfig() {
    add("one");
    add("two");
    task_.mutable_container_definitions(0)->mutable_firelens_configuration()->set_type("fluentbit");
  }
  v1::ecs::ContainerDefinition& add(const std::string& name) {
    auto& container = *task_.add_container_definitions();
    container.set_name(name);
    return container;
  }
  v1::ecs::LogConfiguration& route(int container) {
    auto& log = *task_.mutable_container_definitions(container)->mutable_log_configuration();
    log.set_log_driver("awsfirelens");
    return log;
  }
  static void option(v1::ecs::LogConfiguration& log, const char* name, const char* value) {
    (*log.mutable_options())[name] = value;
  }
  std::string config() {
    const auto router = read_log_router(task_);
    if (!router) return router.error().message;
    return router_config(task_, router->value(), {{"ecs_cluster", "blue"}});
  }
  v1::ecs::TaskDefinition task_;
};

TEST_F(RouterConfig, ListensWhereTheTaskHasANetworkOfItsOwn) {
  task_.set_network_mode("awsvpc");
  EXPECT_THAT(config(), HasSubstr("    Name forward\n    Listen 127.0.0.1\n    Port 24224\n"));
  EXPECT_THAT(
      config(),
      HasSubstr(
          "    Name tcp\n    Tag firelens-healthcheck\n    Listen 127.0.0.1\n    Port 8877\n"));
  EXPECT_THAT(config(), HasSubstr("    Name null\n    Match firelens-healthcheck\n"));
  task_.set_network_mode("bridge");
  EXPECT_THAT(config(), HasSubstr("    Listen 0.0.0.0\n"));
  task_.set_network_mode("host");
  EXPECT_THAT(config(), Not(HasSubstr("Listen"))) << "the ports would be the host's";
  EXPECT_THAT(config(), HasSubstr("unix_path /var/run/fluent.sock"));
}

TEST_F(RouterConfig, HasAnOutputForEachContainerThatNamesOne) {
  option(route(1), "Name", "http");
  add("three");
  route(2);
  EXPECT_THAT(config(), HasSubstr("    Name http\n    Match two-firelens*\n"));
  EXPECT_THAT(config(), Not(HasSubstr("three"))) << "the user's own configuration has its output";
}

TEST_F(RouterConfig, HasNothingInItThatIsTheLogDrivers) {
  auto& log = route(1);
  option(log, "Name", "http");
  option(log, "mode", "blocking");
  option(log, "max-buffer-size", "1m");
  option(log, "log-driver-buffer-limit", "1m");
  EXPECT_THAT(config(), HasSubstr("    Name http\n    Match two-firelens*\n\n"));
  option(log, "mode", "json");
  EXPECT_THAT(config(), HasSubstr("    mode json\n")) << "a word of the output's own";
}

TEST_F(RouterConfig, NamesSecretsByTheOptionAndTheContainerThatTheyAreOf) {
  auto& log = route(1);
  option(log, "Name", "http");
  auto& secret = *log.add_secret_options();
  secret.set_name("api.key");
  secret.set_value_from("/app/key");
  EXPECT_THAT(config(), HasSubstr("    api.key ${api_key_1}\n"));
  const auto secrets = router_secrets(task_);
  ASSERT_EQ(secrets.size(), 1U);
  EXPECT_EQ(secrets[0].name(), "api_key_1");
  EXPECT_EQ(secrets[0].value_from(), "/app/key");
  task_.mutable_container_definitions(0)->mutable_firelens_configuration()->set_type("fluentd");
  option(log, "@type", "http");
  EXPECT_THAT(config(), HasSubstr("  api.key \"#{ENV['api_key_1']}\"\n"));
}

TEST_F(RouterConfig, IsOneLineForEachOptionWhateverIsInIt) {
  auto& log = route(1);
  option(log, "Name", "http\n[INPUT]");
  EXPECT_EQ(read_log_router(task_).error().field,
            "containerDefinitions[1].logConfiguration.options");
  option(log, "Name", "http");
  option(log, "a b", "c");
  EXPECT_EQ(read_log_router(task_).error().field,
            "containerDefinitions[1].logConfiguration.options");
}

TEST_F(RouterConfig, OfTheUsersOwnIsAFileOfTheImageOrAnObjectAndNoYaml) {
  auto& options =
      *task_.mutable_container_definitions(0)->mutable_firelens_configuration()->mutable_options();
  options["config-file-type"] = "file";
  options["config-file-value"] = "/etc/own.conf";
  EXPECT_THAT(config(), HasSubstr("@INCLUDE /etc/own.conf\n"));
  options["config-file-value"] = "etc/own.conf";
  EXPECT_EQ(read_log_router(task_).error().status, BERTH_INVALID);
  options["config-file-value"] = "/etc/own.yaml";
  EXPECT_EQ(read_log_router(task_).error().status, BERTH_UNIMPLEMENTED);
  options["config-file-type"] = "s3";
  options["config-file-value"] = "arn:aws:s3:::bucket/own.conf";
  EXPECT_THAT(config(), HasSubstr("@INCLUDE /fluent-bit/etc/external.conf\n"));
}

TEST_F(RouterConfig, HidesNoVolumeOfTheRouters) {
  auto& point = *task_.mutable_container_definitions(0)->add_mount_points();
  point.set_container_path("/var/run");
  EXPECT_EQ(read_log_router(task_).error().field,
            "containerDefinitions[0].mountPoints[0].containerPath");
}

}  // namespace
}  // namespace berth::runtime::options
