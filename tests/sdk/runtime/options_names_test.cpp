// SPDX-License-Identifier: Apache-2.0
// Names, neighbours and ports of a container, as its program and its clients see them.
#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/sdk/runtime/probe_fixture.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ContainerNames : public testing::Probe {
 protected:
  // What a server on this host's port says.
  static std::string ask(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      char buffer[256];
      for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
        answer.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(fd);
    return answer;
  }
  static std::string own_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
  }
  static void complete(v1::StartTaskRequest& task) {
    auto& web = container(task);
    web.set_hostname("web-1.test");
    web.add_dns_servers("10.1.2.3");
    web.add_dns_search_domains("corp.test");
    auto& host = *web.add_extra_hosts();
    host.set_hostname("db.test");
    host.set_ip_address("10.9.8.7");
  }
};

TEST_P(ContainerNames, AreThoseOfTheDefinitionInEachNetworkMode) {
  int number = 0;
  for (const char* mode : {"bridge", "none", "host"}) {
    auto task = request({{.name = "web"}}, std::string(31, '3') + std::to_string(number++));
    task.mutable_definition()->set_network_mode(mode);
    complete(task);
    const auto sight = sees(task);
    EXPECT_EQ(text(sight, "hostname"), "web-1.test") << mode;
    EXPECT_EQ(text(sight, "hostname_file"), "web-1.test\n") << mode;
    EXPECT_TRUE(has(sight.at("env"), "HOSTNAME=web-1.test")) << mode;
    EXPECT_THAT(text(sight, "resolv"), HasSubstr("nameserver 10.1.2.3\n")) << mode;
    EXPECT_THAT(text(sight, "resolv"), HasSubstr("search corp.test\n")) << mode;
    EXPECT_THAT(text(sight, "hosts"), HasSubstr("10.9.8.7\tdb.test\n")) << mode;
    EXPECT_THAT(text(sight, "hosts"), HasSubstr("\tweb-1.test\n")) << mode;
  }
}

TEST_P(ContainerNames, AreTheHostsInItsNetwork) {
  auto task = request();
  task.mutable_definition()->set_network_mode("host");
  EXPECT_EQ(text(sees(task), "hostname"), own_name());
}

TEST_P(ContainerNames, AreRefusedWhereTheyAreNone) {
  const auto check = [this](auto&& change) {
    auto task = request();
    change(container(task));
    return refused(task);
  };
  using Definition = v1::ecs::ContainerDefinition;
  EXPECT_EQ(check([](Definition& c) { c.set_hostname("two words"); }),
            "containerDefinitions[0].hostname");
  EXPECT_EQ(check([](Definition& c) { c.add_dns_servers("a\nnameserver 1.1.1.1"); }),
            "containerDefinitions[0].dnsServers[0]");
  EXPECT_EQ(check([](Definition& c) { c.add_dns_search_domains("a b"); }),
            "containerDefinitions[0].dnsSearchDomains[0]");
  EXPECT_EQ(check([](Definition& c) {
              c.add_extra_hosts()->set_hostname("db");
              c.mutable_extra_hosts(0)->set_ip_address("nowhere");
            }),
            "containerDefinitions[0].extraHosts[0].ipAddress");
}

TEST_P(ContainerNames, LeadToLinkedContainers) {
  auto task = request({{.name = "web"}, {.name = "db", .essential = false, .stop_timeout = 1}});
  tries(task, 1, {"serve=5432", "hold"});
  auto* pair = container(task, 1).add_environment();
  pair->set_name("MODE");
  pair->set_value("fast");
  container(task, 1).set_hostname("db-host");
  container(task, 0).add_links("db:data-base");
  const auto first = sees(task);
  const auto& env = first.at("env");
  EXPECT_TRUE(has(env, "DATA_BASE_NAME=/web/data-base"));
  EXPECT_TRUE(has(env, "DATA_BASE_ENV_MODE=fast"));
  EXPECT_TRUE(has(env, "DATA_BASE_PORT_5432_TCP_PORT=5432")) << json::serialize(env);
  const std::string hosts = text(first, "hosts");
  const auto at = hosts.find("\tdata-base db-host db\n");
  ASSERT_NE(at, std::string::npos) << hosts;
  const auto line = hosts.rfind('\n', at);
  const std::string address = hosts.substr(line + 1, at - line - 1);
  EXPECT_TRUE(has(env, "DATA_BASE_PORT=tcp://" + address + ":5432"));
  EXPECT_TRUE(has(env, "DATA_BASE_PORT_5432_TCP_ADDR=" + address));
}

TEST_P(ContainerNames, LinkInNetworkModeBridgeOnly) {
  auto task = request({{.name = "web"}, {.name = "db"}});
  container(task, 0).add_links("db");
  task.mutable_definition()->set_network_mode("host");
  EXPECT_EQ(refused(task), "containerDefinitions[0].links[0]");
  auto unknown = request();
  container(unknown).add_links("nobody");
  EXPECT_EQ(refused(unknown), "containerDefinitions[0].links[0]");
}

TEST_P(ContainerNames, AreAllThereIsWithoutNetworking) {
  auto task = request();
  container(task).set_disable_networking(true);
  EXPECT_EQ(json::serialize(sees(task).at("interfaces")), R"(["lo"])");
  auto ports = request({{.name = "web"}}, testing::kOtherTask);
  container(ports).set_disable_networking(true);
  container(ports).add_port_mappings()->set_container_port(80);
  EXPECT_EQ(refused(ports), "containerDefinitions[0].disableNetworking");
}

TEST_P(ContainerNames, SeeTheNetworkOfTheirMode) {
  auto none = request();
  none.mutable_definition()->set_network_mode("none");
  EXPECT_EQ(json::serialize(sees(none).at("interfaces")), R"(["lo"])");
  auto bridge = request({{.name = "web"}}, testing::kOtherTask);
  auto names = sees(bridge).at("interfaces").as_array();  // a sandbox lists them in any order
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.as_string() < b.as_string(); });
  EXPECT_EQ(json::serialize(names), R"(["eth0","lo"])");
}

TEST_P(ContainerNames, HavePortsOnTheHost) {
  auto task = request();
  container(task).set_hostname("server");
  container(task).add_port_mappings()->set_container_port(81);
  tries(task, 0, {"serve=81", "hold"});
  ASSERT_TRUE(tasks_->start(task));
  const auto running = reached(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(running);
  ASSERT_EQ(running->containers(0).network_bindings_size(), 1) << running->stopped_reason();
  const auto& binding = running->containers(0).network_bindings(0);
  EXPECT_EQ(binding.container_port(), 81);
  EXPECT_EQ(binding.protocol(), "tcp");
  (void)seen("web");
  EXPECT_EQ(ask(binding.host_port()), "server");
}

TEST_P(ContainerNames, HaveRangesOfPortsOnTheHost) {
  auto task = request();
  container(task).set_hostname("server");
  container(task).add_port_mappings()->set_container_port_range("8000-8009");
  auto& udp = *container(task).add_port_mappings();
  udp.set_container_port_range("9000-9000");
  udp.set_protocol("udp");
  tries(task, 0, {"serve=8007", "hold"});
  ASSERT_TRUE(tasks_->start(task));
  const auto running = reached(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(running);
  ASSERT_EQ(running->containers(0).network_bindings_size(), 2) << running->stopped_reason();
  const auto& binding = running->containers(0).network_bindings(0);
  EXPECT_EQ(binding.container_port_range(), "8000-8009");
  EXPECT_FALSE(binding.has_container_port());
  int first = 0;
  int last = 0;
  ASSERT_EQ(std::sscanf(binding.host_port_range().c_str(), "%d-%d", &first, &last), 2);
  EXPECT_EQ(last - first, 9);
  EXPECT_EQ(running->containers(0).network_bindings(1).container_port_range(), "9000-9000");
  EXPECT_EQ(running->containers(0).network_bindings(1).protocol(), "udp");
  (void)seen("web");
  EXPECT_EQ(ask(first + 7), "server");
  tasks_.reset();
  open();
  ASSERT_EQ(tasks_->list().size(), 1U);
  EXPECT_EQ(tasks_->list()[0].containers(0).network_bindings(0).host_port_range(),
            binding.host_port_range());
  EXPECT_EQ(ask(first + 7), "server") << "after a restart of the agent";
}

TEST_P(ContainerNames, HaveNoRangesThatAreNone) {
  for (const char* range : {"9-8", "0-5", "80", "1-65536", "1-2-3", "1-2000"}) {
    auto task = request();
    container(task).add_port_mappings()->set_container_port_range(range);
    EXPECT_EQ(refused(task), "containerDefinitions[0].portMappings[0].containerPortRange") << range;
  }
  auto host = request();
  host.mutable_definition()->set_network_mode("host");
  container(host).add_port_mappings()->set_container_port_range("80-90");
  EXPECT_EQ(refused(host), "containerDefinitions[0].portMappings[0].containerPortRange");
}

INSTANTIATE_TEST_SUITE_P(By, ContainerNames, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
