// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/config.hpp"

#include <gmock/gmock.h>

#include "sdk/runtime/agent/registration.hpp"

namespace berth::runtime {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kLeast = "server = \"127.0.0.1:5081\"\ndata_dir = \"/var/lib/agent\"\n";

std::string problem(const std::string& text) {
  const auto config = parse_agent_config(text, "agent.toml");
  return config ? "accepted" : config.error().message;
}

TEST(AgentConfig, NeedsAServerAndADirectory) {
  const auto config = parse_agent_config(kLeast, "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.port, 5081);
  EXPECT_EQ(config->pid_file, "/var/lib/agent/agent.pid");
  EXPECT_THAT(problem("data_dir = \"/x\""), HasSubstr("server is missing"));
  EXPECT_THAT(problem("server = \"h:1\""), HasSubstr("data_dir is missing"));
  EXPECT_THAT(problem("server = \"h\"\ndata_dir = \"/x\""), HasSubstr("'h' is not HOST:PORT"));
  EXPECT_THAT(problem("server = \"h:1\"\ndata_dir = \"x\""), HasSubstr("not an absolute path"));
}

TEST(AgentConfig, NamesFileLineAndKeyOfAnError) {
  EXPECT_THAT(problem(kLeast + "sever = 1"), HasSubstr("agent.toml:3: unknown key 'sever'"));
  EXPECT_THAT(problem(kLeast + "cpu = \"all\""), HasSubstr("agent.toml:3: cpu must be a whole number"));
  EXPECT_THAT(problem(kLeast + "cpu = 0"), HasSubstr("cpu must be between 1"));
  EXPECT_THAT(problem(kLeast + "attributes = { a = 1 }"), HasSubstr("a is not one"));
  EXPECT_THAT(problem(kLeast + "reserved_ports = [70000]"), HasSubstr("list of ports"));
  EXPECT_THAT(problem(kLeast + "dynamic_ports = \"9-1\""), HasSubstr("range of ports"));
  EXPECT_THAT(problem(kLeast + "image_pull_behavior = \"never\""), HasSubstr("prefer-cached"));
  EXPECT_THAT(problem(kLeast + "image_free_percent = 91"), HasSubstr("between 0 and 90"));
  EXPECT_THAT(problem(kLeast + "log_level = \"loud\""), HasSubstr("log_level must be"));
  EXPECT_THAT(problem(kLeast + "cpu = "), HasSubstr("agent.toml:3"));
  EXPECT_THAT(problem(kLeast + "join_token = \"a\"\njoin_token_file = \"/b\""), HasSubstr("give one of them"));
}

TEST(AgentConfig, NamesPluginsWithTheirOwnSettingsAsText) {
  const auto config = parse_agent_config(kLeast + R"(
plugin_dirs = ["/opt/berth/plugins"]
[plugins.gpu]
poll_ms = 500
fast = true
cdi_dirs = ["/etc/cdi", "/run/cdi"]
nvml = { library = "/usr/lib/libnvidia-ml.so.1" }
[plugins.fpga]
path = "/opt/libfpga.so"
enabled = false
)",
                                         "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->plugin_dirs, ElementsAre("/opt/berth/plugins"));
  ASSERT_EQ(config->plugins.size(), 2U);
  const std::map<std::string, std::string> settings = {{"poll_ms", "500"},
                                                       {"fast", "true"},
                                                       {"cdi_dirs.0", "/etc/cdi"},
                                                       {"cdi_dirs.1", "/run/cdi"},
                                                       {"nvml.library", "/usr/lib/libnvidia-ml.so.1"}};
  EXPECT_EQ(config->plugins.at("gpu").settings, settings);
  EXPECT_TRUE(config->plugins.at("gpu").enabled);
  EXPECT_EQ(config->plugins.at("fpga").path, "/opt/libfpga.so");
  EXPECT_FALSE(config->plugins.at("fpga").enabled);
  EXPECT_THAT(problem(kLeast + "plugins = 1"), HasSubstr("plugins must be tables"));
  EXPECT_THAT(problem(kLeast + "[plugins]\nGPU = {}"), HasSubstr("'GPU', which is not a table by the name"));
  EXPECT_THAT(problem(kLeast + "[plugins.gpu]\npath = \"x\""), HasSubstr("path, which must be an absolute path"));
  EXPECT_THAT(problem(kLeast + "[plugins.gpu]\nenabled = 1"), HasSubstr("enabled, which must be true or false"));
  EXPECT_THAT(problem(kLeast + "[plugins.gpu]\nwhen = 1979-05-27"), HasSubstr("has when, which must be"));
}

TEST(AgentConfig, SaysWhereSecretsComeFrom) {
  const auto config = parse_agent_config(kLeast + R"(
[secrets]
directory = "/etc/berth/secrets"
environment_files = "/etc/berth/env"
aws = false
ssm_endpoint = "http://127.0.0.1:4566/"
)",
                                         "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  const auto& settings = config->tasks.secret_settings;
  EXPECT_EQ(settings.directory, "/etc/berth/secrets");
  EXPECT_EQ(settings.environment_files, "/etc/berth/env");
  EXPECT_FALSE(settings.ask_aws);
  EXPECT_EQ(settings.aws.ssm_endpoint, "http://127.0.0.1:4566");
  EXPECT_THAT(problem(kLeast + "[secrets]\ndirectry = \"/x\""), HasSubstr("secrets has an unknown key 'directry'"));
  EXPECT_THAT(problem(kLeast + "[secrets]\ndirectory = \"x\""), HasSubstr("secrets has directory, which must be an absolute path"));
  EXPECT_THAT(problem(kLeast + "[secrets]\naws = \"no\""), HasSubstr("must be true or false"));
  EXPECT_THAT(problem(kLeast + "[secrets]\ns3_endpoint = \"s3\""), HasSubstr("must be a URL"));
}

TEST(AgentConfig, TakesIdsForUserNamespacesAndOptionsOfTheRuntime) {
  const auto config = parse_agent_config(kLeast + R"(
runtime = "/opt/gvisor/runsc"
runtime_options = ["--platform=systrap"]
cni = "/etc/cni/net.d/10.conflist"
cni_plugins = ["/opt/plugins"]
)", "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->tasks.runtime_options, ::testing::ElementsAre("--platform=systrap"));
  EXPECT_EQ(config->tasks.cni, "/etc/cni/net.d/10.conflist");
  EXPECT_THAT(config->tasks.cni_plugins, ::testing::ElementsAre("/opt/plugins"));
  EXPECT_FALSE(config->tasks.user_namespaces.enabled());
  const auto ids = parse_agent_config(
      kLeast + "[user_namespaces]\nfirst_id = 200000\nlast_id = 299999\nids_per_task = 10000\n", "agent.toml");
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_EQ(ids->tasks.user_namespaces.ranges(), 10U);
}

TEST(AgentConfig, RefusesIdsAndRuntimeOptionsThatCannotBe) {
  EXPECT_THAT(problem(kLeast + "runtime_options = [\"--root=/x\"]"), HasSubstr("'--root=/x' is the agent's own to set"));
  EXPECT_THAT(problem(kLeast + "runtime_options = [\"run\"]"), HasSubstr("'run' is not an option"));
  EXPECT_THAT(problem(kLeast + "[user_namespaces]\nfirst_id = 1"), HasSubstr("user_namespaces needs last_id"));
  EXPECT_THAT(problem(kLeast + "[user_namespaces]\nids_per_task = 2000"), HasSubstr("user_namespaces needs first_id"));
  EXPECT_THAT(problem(kLeast + "[user_namespaces]"), HasSubstr("user_namespaces needs first_id"));
  EXPECT_THAT(problem(kLeast + "[user_namespaces]\nfirst_id = 0\nlast_id = 9"), HasSubstr("user_namespaces has first_id, which must be between 1"));
  EXPECT_THAT(problem(kLeast + "[user_namespaces]\nfirst_id = 100000\nlast_id = 100010"), HasSubstr("holds no range of 65536 ids"));
  EXPECT_THAT(problem(kLeast + "[user_namespaces]\nfirst_id = 1\nlast_id = 99\nids_per_task = 9"), HasSubstr("at least 1000"));
  EXPECT_THAT(problem("runtime = \"runsc\"\n" + kLeast + "[user_namespaces]\nfirst_id = 100000\nlast_id = 900000"),
              HasSubstr("runsc has ids of its own"));
}

TEST(AgentConfig, ReachesTheTasks) {
  const auto config = parse_agent_config(kLeast + R"(
runtime = "runc"
bridge = "bth1"
subnet = "10.1.0.0/16"
cgroup_parent = "berth-x"
dynamic_ports = "40000-41000"
stop_timeout_seconds = 7
image_pull_behavior = "prefer-cached"
concurrent_starts = 9
image_cleanup_interval_seconds = 60
image_minimum_age_seconds = 0
images_per_cleanup = 7
image_free_percent = 20
stop_disk_fillers = false
image_max_gib = 3
control_ports = [6080]
)",
                                         "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->tasks.image_cleanup_interval.count(), 60);
  EXPECT_EQ(config->tasks.image_minimum_age.count(), 0);
  EXPECT_EQ(config->tasks.images_per_cleanup, 7U);
  EXPECT_EQ(config->tasks.image_free_percent, 20U);
  EXPECT_FALSE(config->tasks.stop_disk_fillers);
  EXPECT_EQ(config->tasks.image_max_gib, 3U);
  EXPECT_EQ(config->control_ports, std::vector<std::uint16_t>{6080});
  EXPECT_EQ(config->tasks.runtime, "runc");
  EXPECT_EQ(config->tasks.bridge, "bth1");
  EXPECT_EQ(config->tasks.subnet, "10.1.0.0/16");
  EXPECT_EQ(config->tasks.cgroup_parent, "berth-x");
  EXPECT_EQ(config->tasks.dynamic_ports.first, 40000);
  EXPECT_EQ(config->tasks.dynamic_ports.last, 41000);
  EXPECT_EQ(config->tasks.stop_timeout.count(), 7);
  EXPECT_EQ(config->tasks.pull, PullBehaviour::PreferCached);
  EXPECT_EQ(config->tasks.concurrent_starts, 9U);
}

std::vector<std::string> attributes(const fleet::v1::Registration& registration) {
  std::vector<std::string> all;
  for (const auto& one : registration.node().attributes()) all.push_back(one.name() + (one.has_value() ? "=" + one.value() : ""));
  return all;
}

TEST(AgentConfig, SaysWhereOtherHostsReachThisOne) {
  const auto config = parse_agent_config(kLeast + "address = \"192.0.2.7\"\neni_slots = 3\n", "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->address, "192.0.2.7");
  EXPECT_EQ(config->eni_slots, 3);
  EXPECT_THAT(problem(kLeast + "address = \"127.0.0.1\""), HasSubstr("address must be an IPv4 address at which other hosts"));
  EXPECT_THAT(problem(kLeast + "address = \"host\""), HasSubstr("address must be"));
  EXPECT_THAT(problem(kLeast + "cni = \"10.conflist\""), HasSubstr("cni must be an absolute path"));
  EXPECT_THAT(problem(kLeast + "cni_plugins = [\"bin\"]"), HasSubstr("cni_plugins must be a list of absolute paths"));
}

TEST(AgentRegistration, OffersTheMachine) {
  const auto config = parse_agent_config(kLeast, "agent.toml");
  const auto made = make_registration(*config, {.cpus = 3, .memory_mib = 2000, .architecture = "arm64", .instance_type = "m7g.large"},
                                      "crun 1.8.1");
  EXPECT_THAT(attributes(made), ::testing::UnorderedElementsAre(
                                    "ecs.os-type=linux", "ecs.os-family=LINUX", "ecs.cpu-architecture=arm64",
                                    "ecs.instance-type=m7g.large", "com.amazonaws.ecs.capability.ecr-auth",
                                    "com.amazonaws.ecs.capability.logging-driver.awslogs",
                                    "com.amazonaws.ecs.capability.logging-driver.fluentd",
                                    "com.amazonaws.ecs.capability.logging-driver.json-file",
                                    "com.amazonaws.ecs.capability.logging-driver.none",
                                    "com.amazonaws.ecs.capability.logging-driver.syslog",
                                    "com.amazonaws.ecs.capability.privileged-container",
                                    "com.amazonaws.ecs.capability.task-iam-role",
                                    "com.amazonaws.ecs.capability.task-iam-role-network-host",
                                    "ecs.capability.container-health-check",
                                    "ecs.capability.container-ordering",
                                    "ecs.capability.container-restart-policy",
                                    "ecs.capability.docker-plugin.local",
                                    "ecs.capability.env-files.s3",
                                    "ecs.capability.execution-role-ecr-pull",
                                    "ecs.capability.firelens.fluentbit",
                                    "ecs.capability.firelens.fluentd",
                                    "ecs.capability.firelens.options.config.file",
                                    "ecs.capability.firelens.options.config.s3",
                                    "ecs.capability.logging-driver.awsfirelens",
                                    "ecs.capability.network.container-port-range",
                                    "ecs.capability.pid-ipc-namespace-sharing",
                                    "ecs.capability.private-registry-authentication.secretsmanager",
                                    "ecs.capability.secrets.asm.bootstrap.log-driver",
                                    "ecs.capability.secrets.asm.environment-variables",
                                    "ecs.capability.secrets.ssm.bootstrap.log-driver",
                                    "ecs.capability.secrets.ssm.environment-variables",
                                    "ecs.capability.task-cpu-mem-limit",
                                    "ecs.capability.task-eni"));
  ASSERT_EQ(made.node().resources_size(), 5);
  EXPECT_EQ(made.node().resources(4).name(), "ENI");
  EXPECT_EQ(made.node().resources(4).counter().total(), 512);
  EXPECT_EQ(made.node().resources(0).name(), "CPU");
  EXPECT_EQ(made.node().resources(0).counter().total(), 3072);
  EXPECT_EQ(made.node().resources(1).name(), "MEMORY");
  EXPECT_EQ(made.node().resources(1).counter().total(), 2000);
  EXPECT_THAT(made.node().resources(2).exclusive_set().reserved(), ElementsAre("22", "2375", "2376", "51678", "51679"));
  EXPECT_EQ(made.node().runtime_version(), "crun 1.8.1");
  EXPECT_EQ(made.node().agent_version(), agent_version());
}

TEST(AgentRegistration, OffersAppArmorWhereTheHostHasIt) {
  const auto config = parse_agent_config(kLeast, "agent.toml");
  EXPECT_THAT(attributes(make_registration(*config, {.architecture = "arm64", .instance_type = "", .apparmor = true}, "crun")),
              Contains("com.amazonaws.ecs.capability.apparmor"));
}

TEST(AgentRegistration, OffersWhatTheOperatorSays) {
  const auto config = parse_agent_config(kLeast + R"(
cluster = "blue"
cpu = 100
memory = 50
availability_zone = "z1"
instance_type = "mine"
ec2_instance_id = "i-1"
capacity_provider = "cp"
reserved_ports = [8080]
reserved_ports_udp = [53]
attributes = { stack = "prod" }
tags = { owner = "me" }
)",
                                         "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  const auto made = make_registration(*config, {.cpus = 3, .memory_mib = 2000, .architecture = "x86_64", .instance_type = ""}, "crun");
  EXPECT_THAT(attributes(made), Contains("stack=prod"));
  EXPECT_THAT(attributes(made), Contains("ecs.availability-zone=z1"));
  EXPECT_THAT(attributes(made), Contains("ecs.instance-type=mine"));
  EXPECT_EQ(made.node().cluster(), "blue");
  EXPECT_EQ(made.node().resources(0).counter().total(), 100);
  EXPECT_EQ(made.node().resources(1).counter().total(), 50);
  EXPECT_THAT(made.node().resources(2).exclusive_set().reserved(), Contains("8080"));
  EXPECT_THAT(made.node().resources(3).exclusive_set().reserved(), ElementsAre("53"));
  EXPECT_EQ(made.node().capacity_provider(), "cp");
  EXPECT_EQ(made.node().tags(0).key(), "owner");
}

TEST(AgentRegistration, TellsWhatItHoldsTasksIn) {
  const auto tells = [](const std::string& settings) {
    const auto config = parse_agent_config(kLeast + settings, "agent.toml");
    EXPECT_TRUE(config) << config.error().message;
    return attributes(make_registration(*config, {.architecture = "x86_64", .instance_type = ""}, "crun"));
  };
  const auto limited = tells("runtime = \"runsc\"\n[task_limits]\npids = 99\ndisk_gib = 20\n");
  EXPECT_THAT(limited, Contains("berth.sandbox=kernel"));
  EXPECT_THAT(limited, Contains("berth.task-pids=99"));
  EXPECT_THAT(limited, Contains("berth.task-disk-gib=20"));
  EXPECT_THAT(tells("[user_namespaces]\nfirst_id = 200000\nlast_id = 299999\n"), Contains("berth.sandbox=user-namespace"));
  EXPECT_THAT(problem(kLeast + "[task_limits]\npids = 0"), HasSubstr("pids"));
  EXPECT_THAT(problem(kLeast + "[task_limits]\ndisks = 1"), HasSubstr("disks"));
}

TEST(AgentRegistration, FindsTheMachineItRunsOn) {
  const auto host = HostFacts::detect();
  EXPECT_GE(host.cpus, 1);
  EXPECT_GT(host.memory_mib, 100);
  EXPECT_FALSE(host.architecture.empty());
  EXPECT_THAT(host.architecture, Not(HasSubstr("aarch64")));
}

}  // namespace
}  // namespace berth::runtime
