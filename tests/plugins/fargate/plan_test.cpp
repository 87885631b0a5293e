// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "tests/plugins/fargate/fargate_fixture.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

class FargatePlan : public FargateTest {
 protected:
  FargatePlan() {
    auto& made = *definition().add_container_definitions();
    made.set_name("main");
    made.set_image("web:1");
    definition().set_network_mode("awsvpc");
    definition().set_cpu("256");
    definition().set_memory("512");
    request.mutable_network_configuration()->mutable_awsvpc_configuration()->add_subnets(
        "subnet-a");
  }
  void SetUp() override { plugin.activate(config()); }

  v1::ecs::TaskDefinition& definition() { return *request.mutable_definition(); }
  v1::ecs::ContainerDefinition& container() {
    return *definition().mutable_container_definitions(0);
  }
  v1::Refusal refusal() {
    const auto response = plan(request);
    EXPECT_FALSE(response.has_requirement());
    EXPECT_GE(response.refusals_size(), 1);
    return response.refusals_size() > 0 ? response.refusals(0) : v1::Refusal();
  }

  v1::PlanRequest request;
};

TEST_F(FargatePlan, TellsThatItsNodesAreNobodysToSee) {
  std::optional<Result<v1::Manifest>> told;
  plugin.instance().describe({},
                             [&](Result<v1::Manifest> manifest) { told = std::move(manifest); });
  ASSERT_TRUE(plugin.until([&] { return told.has_value(); }));
  ASSERT_TRUE(*told);
  ASSERT_EQ((*told)->interfaces_size(), 1);
  EXPECT_TRUE((*told)->interfaces(0).hidden_nodes());
  EXPECT_EQ((*told)->interfaces(0).launch_types(0), "FARGATE");
  const auto& providers = (*told)->interfaces(0).capacity_providers();
  EXPECT_EQ(std::set<std::string>(providers.begin(), providers.end()),
            (std::set<std::string>{"FARGATE", "FARGATE_SPOT"}));
  ASSERT_EQ((*told)->interfaces(0).reclaimable_capacity_providers_size(), 1);
  EXPECT_EQ((*told)->interfaces(0).reclaimable_capacity_providers(0), "FARGATE_SPOT");
}

TEST_F(FargatePlan, NeedsTheTasksSizeAnInterfaceAndTheArchitectureThatEcsTakes) {
  definition().set_cpu(".25 vCPU");
  definition().set_memory("1 GB");
  const auto response = plan(request);
  ASSERT_EQ(response.refusals_size(), 0) << response.refusals(0).message();
  EXPECT_EQ(response.requirement().cpu(), 256);
  EXPECT_EQ(response.requirement().memory_mib(), 1024);
  EXPECT_EQ(response.requirement().eni_slots(), 1);
  std::map<std::string, std::string> attributes;
  for (const auto& one : response.requirement().attributes()) attributes[one.name()] = one.value();
  EXPECT_EQ(attributes.at("ecs.cpu-architecture"), "x86_64");
  EXPECT_EQ(response.platform_version(), "1.4.0");
  EXPECT_EQ(response.platform_family(), "Linux");
  definition().mutable_runtime_platform()->set_cpu_architecture("ARM64");
  const auto arm = plan(request);
  int named = 0;
  for (const auto& one : arm.requirement().attributes()) {
    if (one.name() != "ecs.cpu-architecture") continue;
    ++named;
    EXPECT_EQ(one.value(), "arm64");
  }
  EXPECT_EQ(named, 1);
}

TEST_F(FargatePlan, HoldsTasksToTheTableOfSizes) {
  int possible = 0;
  for (const int cpu : {128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768}) {
    for (int memory = 512; memory <= 131072; memory += 512) {
      definition().set_cpu(std::to_string(cpu));
      definition().set_memory(std::to_string(memory));
      possible += plan(request).refusals_size() == 0;
    }
  }
  EXPECT_EQ(possible, 3 + 4 + 7 + 13 + 23 + 12 + 12);
}

TEST_F(FargatePlan, SaysOfASizeThatThereIsNoneInEcsWords) {
  definition().set_memory("4096");
  EXPECT_THAT(refusal().message(),
              HasSubstr("No Fargate configuration exists for given values: 256 CPU, 4096 memory."));
  EXPECT_EQ(refusal().error(), v1::Refusal::ERROR_INVALID_PARAMETER);
  definition().clear_memory();
  EXPECT_EQ(refusal().message(), "Fargate requires that 'memory' be defined at the task level.");
  definition().clear_cpu();
  EXPECT_EQ(refusal().message(), "Fargate requires that 'cpu' be defined at the task level.");
}

TEST_F(FargatePlan, TakesTheSizeThatTheCallGives) {
  request.mutable_overrides()->set_cpu("512");
  request.mutable_overrides()->set_memory("4096");
  EXPECT_EQ(plan(request).requirement().memory_mib(), 4096);
  request.mutable_overrides()->set_memory("512");
  EXPECT_THAT(refusal().message(), HasSubstr("512 CPU, 512 memory"));
}

TEST_F(FargatePlan, KeepsContainersWithinTheTask) {
  auto& change = *request.mutable_overrides()->add_container_overrides();
  change.set_name("main");
  change.set_cpu(300);
  EXPECT_THAT(refusal().message(), HasSubstr("ask for 300 CPU units in all, the task has 256."));
  change.clear_cpu();
  change.set_memory(600);
  EXPECT_THAT(refusal().message(), HasSubstr("ask for 600 MiB in all, the task has 512."));
}

TEST_F(FargatePlan, GivesADiskOfTheSizeThatIsAskedFor) {
  definition().mutable_ephemeral_storage()->set_size_in_gi_b(21);
  EXPECT_EQ(plan(request).refusals_size(), 0);
  request.mutable_overrides()->mutable_ephemeral_storage()->set_size_in_gi_b(201);
  EXPECT_EQ(refusal().member(), "ephemeralStorage.sizeInGiB");
  EXPECT_THAT(refusal().message(), HasSubstr("between 21 and 200 GiB"));
}

TEST_F(FargatePlan, ResolvesPlatformVersionsAndRefusesUnknownOnes) {
  for (const char* version : {"", "LATEST", "1.4.0"}) {
    request.set_platform_version(version);
    EXPECT_EQ(plan(request).platform_version(), "1.4.0") << version;
    EXPECT_EQ(plan(request).refusals_size(), 0) << version;
  }
  request.set_platform_version("1.2.0");
  EXPECT_EQ(refusal().error(), v1::Refusal::ERROR_PLATFORM_UNKNOWN);
  EXPECT_EQ(refusal().message(), "The specified platform does not exist.");
}

TEST_F(FargatePlan, WantsANetworkOfTheCallAndMayBeAskedForAPublicAddress) {
  request.mutable_network_configuration()->mutable_awsvpc_configuration()->set_assign_public_ip(
      "ENABLED");
  EXPECT_EQ(plan(request).refusals_size(), 0);
  request.clear_network_configuration();
  EXPECT_EQ(refusal().message(),
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.");
}

// What is forbidden: the row of README.md, and a definition that has it.
using Change = std::function<void(v1::ecs::TaskDefinition&)>;
using Container = v1::ecs::ContainerDefinition;
Change in_container(std::function<void(Container&)> change) {
  return [change = std::move(change)](v1::ecs::TaskDefinition& of) {
    change(*of.mutable_container_definitions(0));
  };
}
const std::map<std::string, Change> kForbidden = {
    {"networkMode", [](auto& d) { d.set_network_mode("bridge"); }},
    {"ipcMode", [](auto& d) { d.set_ipc_mode("task"); }},
    {"pidMode", [](auto& d) { d.set_pid_mode("host"); }},
    {"placementConstraints", [](auto& d) { d.add_placement_constraints()->set_type("memberOf"); }},
    {"inferenceAccelerators", [](auto& d) { d.add_inference_accelerators(); }},
    {"volumes[].host.sourcePath",
     [](auto& d) { d.add_volumes()->mutable_host()->set_source_path("/srv"); }},
    {"volumes[].dockerVolumeConfiguration",
     [](auto& d) { d.add_volumes()->mutable_docker_volume_configuration(); }},
    {"containerDefinitions[].resourceRequirements",
     in_container([](Container& c) { c.add_resource_requirements()->set_type("GPU"); })},
    {"containerDefinitions[].privileged",
     in_container([](Container& c) { c.set_privileged(true); })},
    {"containerDefinitions[].links", in_container([](Container& c) { c.add_links("other"); })},
    {"containerDefinitions[].disableNetworking",
     in_container([](Container& c) { c.set_disable_networking(true); })},
    {"containerDefinitions[].dnsServers",
     in_container([](Container& c) { c.add_dns_servers("10.0.0.2"); })},
    {"containerDefinitions[].dnsSearchDomains",
     in_container([](Container& c) { c.add_dns_search_domains("a.example"); })},
    {"containerDefinitions[].extraHosts", in_container([](Container& c) { c.add_extra_hosts(); })},
    {"containerDefinitions[].dockerSecurityOptions",
     in_container([](Container& c) { c.add_docker_security_options("no-new-privileges"); })},
    {"containerDefinitions[].linuxParameters.devices",
     in_container([](Container& c) { c.mutable_linux_parameters()->add_devices(); })},
    {"containerDefinitions[].linuxParameters.sharedMemorySize",
     in_container([](Container& c) { c.mutable_linux_parameters()->set_shared_memory_size(64); })},
    {"containerDefinitions[].linuxParameters.maxSwap",
     in_container([](Container& c) { c.mutable_linux_parameters()->set_max_swap(64); })},
    {"containerDefinitions[].linuxParameters.swappiness",
     in_container([](Container& c) { c.mutable_linux_parameters()->set_swappiness(1); })},
    {"containerDefinitions[].linuxParameters.capabilities.add", in_container([](Container& c) {
       c.mutable_linux_parameters()->mutable_capabilities()->add_add("NET_ADMIN");
     })},
    {"containerDefinitions[].logConfiguration.logDriver",
     in_container([](Container& c) { c.mutable_log_configuration()->set_log_driver("syslog"); })},
    {"containerDefinitions[].firelensConfiguration.options.config-file-type",
     in_container([](Container& c) {
       auto& router = *c.mutable_firelens_configuration();
       router.set_type("fluentbit");
       (*router.mutable_options())["config-file-type"] = "s3";
     })},
    {"containerDefinitions[].startTimeout",
     in_container([](Container& c) { c.set_start_timeout(1); })},
    {"containerDefinitions[].stopTimeout",
     in_container([](Container& c) { c.set_stop_timeout(121); })},
};

std::string without_numbers(std::string member) {
  for (std::size_t at = 0; (at = member.find('[', at)) != std::string::npos; ++at) {
    member.erase(at + 1, member.find(']', at) - at - 1);
  }
  return member;
}

TEST_F(FargatePlan, RefusesGpusThatAnOverrideAsksFor) {
  auto& changes = *request.mutable_overrides()->add_container_overrides();
  changes.set_name(definition().container_definitions(0).name());
  auto& wanted = *changes.add_resource_requirements();
  wanted.set_type("GPU");
  wanted.set_value("1");
  EXPECT_EQ(refusal().message(),
            "Tasks using the Fargate launch type do not support GPU resource requirements.");
}

TEST_F(FargatePlan, RefusesWhatFargateForbidsByName) {
  const v1::ecs::TaskDefinition fine = definition();
  for (const auto& [row, change] : kForbidden) {
    definition() = fine;
    change(definition());
    const v1::Refusal said = refusal();
    EXPECT_EQ(without_numbers(said.member()), row);
    EXPECT_THAT(said.message(), HasSubstr("Fargate")) << row;
    EXPECT_EQ(said.error(), v1::Refusal::ERROR_INVALID_PARAMETER) << row;
  }
}

TEST_F(FargatePlan, AllowsWhatFargateAllows) {
  definition().set_pid_mode("task");
  container().set_stop_timeout(120);
  container().set_start_timeout(2);
  container().mutable_linux_parameters()->mutable_capabilities()->add_add("SYS_PTRACE");
  container().mutable_linux_parameters()->set_init_process_enabled(true);
  auto& limit = *container().add_ulimits();
  limit.set_name("nofile");
  limit.set_soft_limit(1024);
  limit.set_hard_limit(4096);
  definition().add_volumes()->set_name("scratch");
  const auto response = plan(request);
  EXPECT_EQ(response.refusals_size(), 0) << response.refusals(0).message();
}

TEST_F(FargatePlan, NamesTheRestThatAgentsDoNotActOn) {
  definition().mutable_proxy_configuration();
  EXPECT_EQ(refusal().member(), "proxyConfiguration");
  EXPECT_EQ(refusal().error(), v1::Refusal::ERROR_UNSUPPORTED_FEATURE);
  EXPECT_EQ(refusal().message(), "The launch type FARGATE does not act on proxyConfiguration yet.");
}

TEST(FargateReadme, ListsWhatIsForbiddenAndNothingElse) {
  std::ifstream file(BERTH_FARGATE_README);
  std::set<std::string> rows;
  std::string line;
  bool inside = false;
  while (std::getline(file, line)) {
    if (line.starts_with("## ")) inside = line == "## What it refuses";
    if (inside && line.starts_with("| `")) rows.insert(line.substr(3, line.find('`', 3) - 3));
  }
  std::set<std::string> tested;
  for (const auto& [row, change] : kForbidden) tested.insert(row);
  EXPECT_EQ(rows, tested);
}

}  // namespace
}  // namespace berth::test
