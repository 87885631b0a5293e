// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/plugins/ec2/ec2_fixture.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Ec2Plan : public Ec2Test {
 protected:
  void SetUp() override { plugin.activate(config()); }
  v1::ecs::TaskDefinition& definition() { return *request.mutable_definition(); }
  v1::ecs::ContainerDefinition& container(const std::string& name, int cpu, int memory) {
    auto& made = *definition().add_container_definitions();
    made.set_name(name);
    made.set_image("web:1");
    made.set_cpu(cpu);
    made.set_memory(memory);
    return made;
  }
  static void map_port(v1::ecs::ContainerDefinition& of, int container_port, int host_port, const char* protocol = "") {
    auto& mapping = *of.add_port_mappings();
    mapping.set_container_port(container_port);
    if (host_port >= 0) mapping.set_host_port(host_port);
    if (*protocol) mapping.set_protocol(protocol);
  }
  std::vector<std::string> attributes() {
    std::vector<std::string> names;
    const v1::PlanResponse response = plan(request);
    for (const auto& attribute : response.requirement().attributes()) {
      names.push_back(attribute.name() + (attribute.has_value() ? "=" + attribute.value() : ""));
    }
    return names;
  }
  std::vector<std::string> ports() {
    std::vector<std::string> all;
    const v1::PlanResponse response = plan(request);
    for (const auto& port : response.requirement().ports()) {
      all.push_back((port.protocol() == v1::Port::PROTOCOL_UDP ? "udp " : "tcp ") + std::to_string(port.number()));
    }
    return all;
  }
  std::string refusal() {
    const auto response = plan(request);
    EXPECT_EQ(response.refusals_size(), 1);
    EXPECT_FALSE(response.has_requirement());
    return response.refusals_size() ? response.refusals(0).member() + ": " + response.refusals(0).message() : "";
  }

  v1::PlanRequest request;
};

TEST_F(Ec2Plan, ReservesTheSumsOfTheContainers) {
  container("a", 256, 512);
  container("b", 128, 300).set_memory_reservation(100);
  const auto response = plan(request);
  EXPECT_EQ(response.refusals_size(), 0);
  EXPECT_EQ(response.requirement().cpu(), 384);
  EXPECT_EQ(response.requirement().memory_mib(), 612);
}

TEST_F(Ec2Plan, ReservesTheTasksOwnAmountsWhereThereAreSome) {
  container("a", 256, 512);
  definition().set_cpu("1 vCPU");
  definition().set_memory("2GB");
  EXPECT_EQ(plan(request).requirement().cpu(), 1024);
  EXPECT_EQ(plan(request).requirement().memory_mib(), 2048);
  EXPECT_THAT(attributes(), ::testing::Contains("ecs.capability.task-cpu-mem-limit"));
}

TEST_F(Ec2Plan, ReservesWhatOverridesSay) {
  container("a", 256, 512);
  auto& own = *request.mutable_overrides()->add_container_overrides();
  own.set_name("a");
  own.set_cpu(10);
  own.set_memory(600);
  own.set_memory_reservation(50);
  EXPECT_EQ(plan(request).requirement().cpu(), 10);
  EXPECT_EQ(plan(request).requirement().memory_mib(), 50);
  request.mutable_overrides()->set_cpu("512");
  request.mutable_overrides()->set_memory("1024");
  EXPECT_EQ(plan(request).requirement().cpu(), 512);
  EXPECT_EQ(plan(request).requirement().memory_mib(), 1024);
}

TEST_F(Ec2Plan, ReservesFixedHostPortsButNotDynamicOnes) {
  auto& a = container("a", 0, 64);
  map_port(a, 80, 8080);
  map_port(a, 53, 5353, "udp");
  map_port(a, 81, 0);
  map_port(a, 82, -1);
  EXPECT_THAT(ports(), UnorderedElementsAre("tcp 8080", "udp 5353"));
}

TEST_F(Ec2Plan, ReservesContainerPortsOnTheHostsNetwork) {
  auto& a = container("a", 0, 64);
  map_port(a, 80, -1);
  map_port(a, 81, 81);
  definition().set_network_mode("host");
  EXPECT_THAT(ports(), UnorderedElementsAre("tcp 80", "tcp 81"));
  map_port(a, 82, 8082);
  EXPECT_THAT(refusal(), HasSubstr("portMappings[2].hostPort"));
}

TEST_F(Ec2Plan, LetsTwoContainersListenOnOnePortOfTheirOwn) {
  map_port(container("a", 0, 64), 80, 0);
  map_port(container("b", 0, 64), 80, 0);
  EXPECT_THAT(ports(), IsEmpty());
  definition().mutable_container_definitions(0)->mutable_port_mappings(0)->set_host_port(8080);
  definition().mutable_container_definitions(1)->mutable_port_mappings(0)->set_host_port(8080);
  EXPECT_THAT(refusal(), HasSubstr("8080 is mapped twice"));
}

TEST_F(Ec2Plan, RefusesPortsWithoutANetwork) {
  map_port(container("a", 0, 64), 80, 0);
  definition().set_network_mode("none");
  EXPECT_THAT(refusal(), HasSubstr("containerDefinitions[0].portMappings[0]"));
}

TEST_F(Ec2Plan, RequiresTheCapabilitiesThatTheTaskUses) {
  auto& a = container("a", 0, 64);
  EXPECT_THAT(attributes(), UnorderedElementsAre("ecs.os-type=linux"));
  a.set_image("111122223333.dkr.ecr.eu-west-1.amazonaws.com/web:1");
  a.mutable_log_configuration()->set_log_driver("json-file");
  auto& b = container("b", 0, 64);
  b.add_depends_on()->set_container_name("a");
  b.mutable_depends_on(0)->set_condition("START");
  b.mutable_health_check()->add_command("CMD");
  b.mutable_restart_policy()->set_enabled(true);
  definition().mutable_runtime_platform()->set_cpu_architecture("ARM64");
  EXPECT_THAT(attributes(),
              UnorderedElementsAre("ecs.os-type=linux", "ecs.cpu-architecture=arm64", "ecs.capability.container-ordering",
                                   "ecs.capability.container-health-check", "ecs.capability.container-restart-policy",
                                   "com.amazonaws.ecs.capability.ecr-auth",
                                   "com.amazonaws.ecs.capability.logging-driver.json-file"));
}

TEST_F(Ec2Plan, RequiresTheLogDriversByTheNamesThatAgentsRegister) {
  container("a", 0, 64).mutable_log_configuration()->set_log_driver("awsfirelens");
  auto& router = container("router", 0, 64);
  router.mutable_firelens_configuration()->set_type("fluentbit");
  router.mutable_log_configuration()->set_log_driver("json-file");
  EXPECT_THAT(attributes(), ::testing::IsSupersetOf({"ecs.capability.logging-driver.awsfirelens",
                                                     "com.amazonaws.ecs.capability.logging-driver.json-file"}));
}

TEST_F(Ec2Plan, RequiresTheCapabilitiesOfRolesAndSecrets) {
  auto& a = container("a", 0, 64);
  definition().set_task_role_arn("arn:aws:iam::000000000000:role/t");
  EXPECT_THAT(attributes(), ::testing::Contains("com.amazonaws.ecs.capability.task-iam-role"));
  definition().set_network_mode("host");
  EXPECT_THAT(attributes(), ::testing::Contains("com.amazonaws.ecs.capability.task-iam-role-network-host"));
  a.add_secrets()->set_value_from("/app/db");
  a.add_secrets()->set_value_from("arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf");
  a.add_environment_files()->set_value("arn:aws:s3:::bucket/key");
  EXPECT_THAT(attributes(), ::testing::IsSupersetOf({"ecs.capability.secrets.ssm.environment-variables",
                                                     "ecs.capability.secrets.asm.environment-variables",
                                                     "ecs.capability.env-files.s3"}));
}

TEST_F(Ec2Plan, RequiresTheCapabilitiesOfContainersThatAskForMore) {
  auto& a = container("a", 0, 64);
  a.set_privileged(true);
  a.add_port_mappings()->set_container_port_range("8000-8010");
  a.add_docker_security_options("apparmor:mine");
  definition().set_pid_mode("task");
  auto& volume = *definition().add_volumes();
  volume.set_name("data");
  volume.mutable_docker_volume_configuration()->set_scope("task");
  EXPECT_THAT(attributes(),
              UnorderedElementsAre("ecs.os-type=linux", "com.amazonaws.ecs.capability.privileged-container",
                                   "com.amazonaws.ecs.capability.apparmor", "ecs.capability.docker-plugin.local",
                                   "ecs.capability.network.container-port-range",
                                   "ecs.capability.pid-ipc-namespace-sharing"));
  EXPECT_EQ(plan(request).requirement().ports_size(), 0) << "a range is on free host ports";
}

TEST_F(Ec2Plan, NamesEveryMemberThatStandsInTheWayAtOnce) {
  auto& a = container("a", 0, 64);
  a.add_credential_specs("x");
  a.add_docker_security_options("label:disable");
  definition().set_enable_fault_injection(true);
  const auto response = plan(request);
  std::vector<std::string> members;
  for (const auto& each : response.refusals()) members.push_back(each.member());
  EXPECT_THAT(members, UnorderedElementsAre("enableFaultInjection", "containerDefinitions[0].credentialSpecs",
                                            "containerDefinitions[0].dockerSecurityOptions"));
  EXPECT_FALSE(response.has_requirement());
}

TEST_F(Ec2Plan, RefusesAnOverrideOfNoContainer) {
  container("a", 0, 64);
  request.mutable_overrides()->add_container_overrides()->set_name("z");
  EXPECT_THAT(refusal(), HasSubstr("Override for container named z is not a container in the TaskDefinition."));
  EXPECT_EQ(plan(request).refusals(0).error(), v1::Refusal::ERROR_INVALID_PARAMETER);
}

TEST_F(Ec2Plan, RefusesANetworkConfigurationWithoutAwsvpc) {
  container("a", 0, 64);
  request.mutable_network_configuration()->mutable_awsvpc_configuration()->add_subnets("subnet-1");
  EXPECT_THAT(refusal(), HasSubstr("Network Configuration is not valid for the given networkMode"));
}

TEST_F(Ec2Plan, ATaskWithItsOwnInterfaceNeedsOneAndNoPortsOfTheHost) {
  auto& a = container("a", 0, 64);
  a.add_port_mappings()->set_container_port(80);
  a.add_port_mappings()->set_container_port(81);
  a.mutable_port_mappings(1)->set_host_port(81);
  definition().set_network_mode("awsvpc");
  EXPECT_THAT(
      refusal(),
      HasSubstr("Network Configuration must be provided when networkMode 'awsvpc' is specified."));
  auto& asked = *request.mutable_network_configuration()->mutable_awsvpc_configuration();
  asked.add_subnets("subnet-1");
  const auto response = plan(request);
  ASSERT_EQ(response.refusals_size(), 0);
  EXPECT_EQ(response.requirement().eni_slots(), 1);
  EXPECT_EQ(response.requirement().ports_size(), 0);
  EXPECT_THAT(attributes(), ::testing::Contains("ecs.capability.task-eni"));
  a.mutable_port_mappings(1)->set_host_port(82);
  EXPECT_THAT(refusal(),
              HasSubstr("With the network mode awsvpc, hostPort is containerPort or absent."));
  a.mutable_port_mappings(1)->set_host_port(80);
  a.mutable_port_mappings(1)->set_container_port(80);
  EXPECT_THAT(refusal(), HasSubstr("mapped twice"));
  a.mutable_port_mappings()->RemoveLast();
  asked.set_assign_public_ip("ENABLED");
  EXPECT_THAT(refusal(), HasSubstr("Assign public IP is not supported for this launch type."));
}

TEST_F(Ec2Plan, RefusesAPlatformVersion) {
  container("a", 0, 64);
  request.set_platform_version("LATEST");
  EXPECT_THAT(refusal(), HasSubstr("The platform version must be null when specifying an EC2 launch type."));
}

TEST_F(Ec2Plan, RefusesAmountsThatAreNone) {
  container("a", 0, 64);
  request.mutable_overrides()->set_cpu("plenty");
  EXPECT_THAT(refusal(), HasSubstr("'plenty' is not an amount of CPU"));
}

// All that the first slice promises, in one definition.
TEST_F(Ec2Plan, RefusesMemoryThatTheAgentWouldRefuse) {
  auto& web = container("a", 0, 5);
  EXPECT_THAT(refusal(), HasSubstr("containerDefinitions[0].memory: A container needs at least 6 MiB"));
  web.set_memory(64);
  definition().set_memory("32");
  EXPECT_THAT(refusal(), HasSubstr("containerDefinitions[0].memory: The container's memory is more than the task's"));
  web.clear_memory();
  definition().set_memory("4");
  EXPECT_THAT(refusal(), HasSubstr("memory: A task needs at least 6 MiB"));
}

TEST_F(Ec2Plan, RefusesAContainerPortThatIsNone) {
  map_port(container("a", 0, 64), 0, 80);
  EXPECT_THAT(refusal(), HasSubstr("portMappings[0]: A port is a number"));
}

TEST_F(Ec2Plan, RunsWhatItPromises) {
  auto& web = container("web", 256, 256);
  web.add_entry_point("/bin/sh");
  web.add_command("-c");
  web.add_environment()->set_name("A");
  web.set_user("nobody:nogroup");
  web.set_working_directory("/srv");
  web.set_essential(true);
  web.set_stop_timeout(5);
  web.mutable_log_configuration()->set_log_driver("json-file");
  (*web.mutable_log_configuration()->mutable_options())["max-size"] = "1m";
  (*web.mutable_log_configuration()->mutable_options())["max-file"] = "3";
  map_port(web, 80, 8080);
  map_port(web, 81, 0);
  auto& side = container("side", 0, 64);
  side.set_essential(false);
  for (const char* condition : {"START", "COMPLETE", "SUCCESS"}) {
    auto& on = *web.add_depends_on();
    on.set_container_name("side");
    on.set_condition(condition);
  }
  definition().set_execution_role_arn("arn:aws:iam::000000000000:role/e");
  definition().set_task_role_arn("arn:aws:iam::000000000000:role/t");
  definition().set_cpu("512");
  definition().set_memory("512");
  for (const char* mode : {"", "bridge"}) {
    definition().set_network_mode(mode);
    EXPECT_EQ(plan(request).refusals_size(), 0) << mode;
  }
  web.clear_port_mappings();
  for (const char* mode : {"none", "host"}) {
    definition().set_network_mode(mode);
    EXPECT_EQ(plan(request).refusals_size(), 0) << mode;
  }
}

}  // namespace
}  // namespace berth::test
