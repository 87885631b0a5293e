// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>

#include "sdk/runtime/metadata/documents.hpp"
#include "sdk/runtime/metadata/endpoint_ids.hpp"
#include "sdk/runtime/metadata/http_request.hpp"
#include "sdk/runtime/metadata/routes.hpp"

namespace berth::runtime::metadata {
namespace {

namespace json = boost::json;
using State = ParsedRequest::State;
using What = Route::What;

TEST(EndpointRequest, IsReadWhenItsHeadIsWhole) {
  EXPECT_EQ(parse_request("GET /v4/a HTTP/1.1\r\nHost: x\r\n").state, State::Incomplete);
  const auto whole = parse_request("GET /v4/a/task?x=/y HTTP/1.1\r\nHost: x\r\n\r\nrest");
  ASSERT_EQ(whole.state, State::Whole);
  EXPECT_EQ(whole.request.method, "GET");
  EXPECT_EQ(whole.request.path, "/v4/a/task");
  EXPECT_EQ(parse_request("GET /v4/a/ HTTP/1.0\n\n").request.path, "/v4/a");
  EXPECT_EQ(parse_request("GET http://169.254.170.2/v3/b HTTP/1.1\r\n\r\n").request.path, "/v3/b");
  EXPECT_EQ(parse_request("GET http://169.254.170.2 HTTP/1.1\r\n\r\n").request.path, "/");
}

TEST(EndpointRequest, ThatIsNoneIsRefused) {
  for (const char* bytes : {"GET\r\n\r\n", "GET /x\r\n\r\n", "get /x HTTP/1.1\r\n\r\n",
                            "GET x HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n",
                            "GET /\x01 HTTP/1.1\r\n\r\n", "GET /x FTP/1\r\n\r\n", "\r\n\r\n"}) {
    EXPECT_EQ(parse_request(bytes).state, State::Bad) << bytes;
  }
  EXPECT_EQ(parse_request(std::string(9000, 'a')).status, 431);
}

TEST(EndpointRoute, NamesADocument) {
  const auto check = [](const char* path, What what, const char* id) {
    const Route route = route_of(path);
    EXPECT_EQ(route.what, what) << path;
    EXPECT_EQ(route.id, id) << path;
  };
  check("/v4/x", What::Container, "x");
  check("/v4/x/task", What::Task, "x");
  check("/v4/x/taskWithTags", What::TaskWithTags, "x");
  check("/v4/x/stats", What::ContainerStats, "x");
  check("/v3/x/task/stats", What::TaskStats, "x");
  check("/v2/metadata", What::Task, "");
  check("/v2/metadata/c", What::Container, "c");
  check("/v2/stats", What::TaskStats, "");
  check("/v2/stats/c", What::ContainerStats, "c");
  check("/v2/credentials/u", What::Credentials, "u");
  for (const char* path : {"/", "/v4", "/v4/", "/v4/x/other", "/v4/x/task/other",
                           "/v4/x/task/stats/y", "/v5/x", "/v2", "/v2/other"}) {
    EXPECT_EQ(route_of(path).what, What::Nothing) << path;
  }
}

class EndpointIdsTest : public ::testing::Test {
 protected:
  EndpointIdsTest() {
    std::string path = std::filesystem::temp_directory_path() / "berth-ids-XXXXXX";
    directory_ = ::mkdtemp(path.data());
  }
  ~EndpointIdsTest() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(EndpointIdsTest, AreTheSameAfterARestartAndDifferOtherwise) {
  const auto first = EndpointIds::open(directory_ / "key");
  const auto again = EndpointIds::open(directory_ / "key");
  const auto other = EndpointIds::open(directory_ / "other");
  ASSERT_TRUE(first && again && other);
  const std::string id = first->of_container("task", 0);
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '4') << "a UUID of version 4, as ECS's";
  EXPECT_EQ(again->of_container("task", 0), id);
  EXPECT_NE(other->of_container("task", 0), id);
  EXPECT_NE(first->of_container("task", 1), id);
  EXPECT_NE(first->of_credentials("task"), id);
  struct stat status {};
  ASSERT_EQ(::stat((directory_ / "key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(EndpointIdsTest, AreMadeAnewWhereTheKeyWasCutShort) {
  std::ofstream(directory_ / "key") << "short";
  const auto ids = EndpointIds::open(directory_ / "key");
  ASSERT_TRUE(ids);
  EXPECT_EQ(EndpointIds::open(directory_ / "key")->of_container("t", 0), ids->of_container("t", 0));
}

TaskFacts two_containers() {
  TaskFacts facts;
  auto& request = facts.request;
  request.set_task_arn("arn:task");
  request.set_cluster("blue");
  request.set_launch_type("EC2");
  request.mutable_definition()->set_family("web");
  request.mutable_definition()->set_revision(7);
  request.mutable_definition()->set_cpu("0.5 vCPU");
  request.mutable_definition()->set_memory("1 GB");
  for (const char* name : {"one", "two"}) {
    auto* container = request.mutable_definition()->add_container_definitions();
    container->set_name(name);
    container->set_image("image");
    container->set_cpu(100);
    container->set_memory(64);
    facts.report.add_containers()->set_name(name);
  }
  facts.containers.resize(2);
  return facts;
}

TEST(EndpointDocument, OfATaskSaysHowFarItIs) {
  TaskFacts facts = two_containers();
  EXPECT_EQ(task_document(facts, Version::V4, false).at("KnownStatus"), "NONE");
  facts.containers[0].created = CreatedContainer{
      .runtime_id = "t-0", .image_id = {}, .labels = {}, .network = {}, .created_ms = 1};
  facts.report.mutable_containers(0)->set_last_status("RUNNING");
  EXPECT_EQ(task_document(facts, Version::V4, false).at("KnownStatus"), "NONE");
  facts.report.mutable_containers(1)->set_last_status("RUNNING");
  EXPECT_EQ(task_document(facts, Version::V4, false).at("KnownStatus"), "RUNNING");
  facts.report.set_phase(v1::TASK_PHASE_STOPPING);
  const auto stopping = task_document(facts, Version::V4, false);
  EXPECT_EQ(stopping.at("DesiredStatus"), "STOPPED");
  EXPECT_EQ(stopping.at("KnownStatus"), "RUNNING");
  EXPECT_EQ(stopping.at("Limits"), (json::object{{"CPU", 0.5}, {"Memory", 1024}}));
  EXPECT_EQ(stopping.at("Revision"), "7");
}

TEST(EndpointDocument, OfAContainerTellsHowItEnded) {
  TaskFacts facts = two_containers();
  facts.containers[0].created = CreatedContainer{.runtime_id = "t-0",
                                                 .image_id = "sha256:i",
                                                 .labels = {{"a", "b"}},
                                                 .network = {.mode = "host"},
                                                 .created_ms = 1'767'323'045'006};
  facts.report.mutable_containers(0)->set_last_status("STOPPED");
  facts.report.mutable_containers(0)->set_exit_code(3);
  auto* binding = facts.report.mutable_containers(0)->add_network_bindings();
  binding->set_container_port(80);
  binding->set_host_port(32768);
  binding->set_protocol("tcp");
  const auto shown = container_document(facts, 0, Version::V4);
  EXPECT_EQ(shown.at("KnownStatus"), "STOPPED");
  EXPECT_EQ(shown.at("ExitCode"), 3);
  EXPECT_EQ(shown.at("CreatedAt"), "2026-01-02T03:04:05.006Z");
  EXPECT_EQ(shown.at("Networks"), (json::array{json::object{{"NetworkMode", "host"}}}));
  EXPECT_EQ(
      shown.at("Ports"),
      (json::array{json::object{{"ContainerPort", 80}, {"Protocol", "tcp"}, {"HostPort", 32768}}}));
  EXPECT_FALSE(container_document(facts, 1, Version::V4).contains("DockerId"))
      << "it is not made yet";
}

TEST(EndpointDocument, OfAContainerTellsItsHealthAndHowTheLastCheckEnded) {
  TaskFacts facts = two_containers();
  EXPECT_FALSE(container_document(facts, 0, Version::V4).contains("Health"));
  facts.report.mutable_containers(0)->set_health_status("UNHEALTHY");
  facts.containers[0].health_since_ms = 1'767'323'045'006;
  facts.containers[0].last_check = CheckFacts{.exit_code = 3, .output = "broken"};
  EXPECT_EQ(container_document(facts, 0, Version::V4).at("Health"),
            (json::object{{"status", "UNHEALTHY"},
                          {"statusSince", "2026-01-02T03:04:05.006Z"},
                          {"exitCode", 3},
                          {"output", "broken"}}));
}

TEST(EndpointDocument, OfAContainerTellsItsVolumesAndThoseOfOthers) {
  TaskFacts facts = two_containers();
  auto& definition = *facts.request.mutable_definition();
  auto& pages = *definition.add_volumes();
  pages.set_name("pages");
  pages.mutable_host()->set_source_path("/srv/pages");
  definition.add_volumes()->set_name("scratch");
  for (const char* name : {"pages", "scratch"}) {
    auto& point = *definition.mutable_container_definitions(0)->add_mount_points();
    point.set_source_volume(name);
    point.set_container_path(std::string("/") + name);
  }
  definition.mutable_container_definitions(1)->add_volumes_from()->set_source_container("one");
  const json::array volumes{json::object{{"Source", "/srv/pages"}, {"Destination", "/pages"}},
                            json::object{{"DockerName", "scratch"}, {"Destination", "/scratch"}}};
  EXPECT_EQ(container_document(facts, 0, Version::V4).at("Volumes"), volumes);
  EXPECT_EQ(container_document(facts, 1, Version::V4).at("Volumes"), volumes);
}

TEST(EndpointDocument, OfATaskWithAnInterfaceTellsItsNetwork) {
  TaskFacts facts = two_containers();
  facts.containers[0].created =
      CreatedContainer{.runtime_id = "t-0",
                       .image_id = {},
                       .labels = {},
                       .network = {.mode = "awsvpc",
                                   .ipv4_addresses = {"10.0.0.4"},
                                   .attachment_index = 0,
                                   .mac_address = "02:be:0a:00:00:04",
                                   .ipv4_subnet_cidr = "10.0.0.0/24",
                                   .private_dns_name = "ip-10-0-0-4.ec2.internal",
                                   .subnet_gateway = "10.0.0.1/24",
                                   .dns_servers = {"10.0.0.2"},
                                   .dns_search = {"ec2.internal"}},
                       .created_ms = 1};
  const json::object network{{"NetworkMode", "awsvpc"},
                             {"IPv4Addresses", json::array{"10.0.0.4"}},
                             {"AttachmentIndex", 0},
                             {"MACAddress", "02:be:0a:00:00:04"},
                             {"IPv4SubnetCIDRBlock", "10.0.0.0/24"},
                             {"PrivateDNSName", "ip-10-0-0-4.ec2.internal"},
                             {"SubnetGatewayIpv4Address", "10.0.0.1/24"},
                             {"DomainNameServers", json::array{"10.0.0.2"}},
                             {"DomainNameSearchList", json::array{"ec2.internal"}}};
  EXPECT_EQ(container_document(facts, 0, Version::V4).at("Networks"), json::array{network});
}

TEST(EndpointDocument, OfATaskTellsHowFarTheClockMayBeOff) {
  TaskFacts facts = two_containers();
  facts.clock =
      ClockFacts{.error_bound_ms = 0.5, .is_synchronized = true, .at_ms = 1'767'323'045'006};
  EXPECT_EQ(task_document(facts, Version::V4, false).at("ClockDrift"),
            (json::object{{"ClockErrorBound", 0.5},
                          {"ReferenceTimestamp", "2026-01-02T03:04:05.006Z"},
                          {"ClockSynchronizationStatus", "SYNCHRONIZED"}}));
  EXPECT_FALSE(task_document(facts, Version::V3, false).contains("ClockDrift"));
  const ClockFacts now = read_clock();
  EXPECT_GT(now.error_bound_ms, 0);
  EXPECT_GT(now.at_ms, 1'767'323'045'006);
}

TEST(EndpointDocument, OfStatsHasAllThatTheKernelTellsOfMemory) {
  StatsSample sample;
  sample.stats.set_memory_usage_bytes(100);
  EXPECT_FALSE(
      stats_document(sample, nullptr, "id").at("memory_stats").as_object().contains("stats"));
  sample.memory = {.usage_bytes = 150, .stat = {{"inactive_file", 50}}};
  const auto memory = stats_document(sample, nullptr, "id").at("memory_stats").as_object();
  EXPECT_EQ(memory.at("usage").to_number<int>(), 150) << "with what readers take off by stats";
  EXPECT_EQ(memory.at("stats").at("inactive_file").to_number<int>(), 50);
}

TEST(EndpointDocument, OfStatsHasWhatTheQuestionBeforeSaw) {
  StatsSample before;
  before.stats.mutable_at()->set_ms(1'000);
  before.stats.set_cpu_usage_ns(5);
  before.stats.set_net_rx_bytes(100);
  StatsSample now = before;
  now.stats.mutable_at()->set_ms(3'000);
  now.stats.set_cpu_usage_ns(9);
  now.stats.set_net_rx_bytes(300);
  now.system_cpu_ns = 77;
  const auto first = stats_document(now, nullptr, "id");
  EXPECT_EQ(first.at("preread"), "0001-01-01T00:00:00Z");
  EXPECT_FALSE(first.contains("network_rate_stats"));
  const auto second = stats_document(now, &before, "id");
  EXPECT_EQ(second.at("cpu_stats").at("system_cpu_usage").to_number<int>(), 77);
  EXPECT_EQ(second.at("precpu_stats").at("cpu_usage").at("total_usage").to_number<int>(), 5);
  EXPECT_EQ(second.at("network_rate_stats").at("rx_bytes_per_sec"), 100.0);
}

}  // namespace
}  // namespace berth::runtime::metadata
