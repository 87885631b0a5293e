// SPDX-License-Identifier: Apache-2.0
// In a network namespace of the test's own, with a second one that plays the world outside.
#include "sdk/runtime/network/task_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <thread>

#include "sdk/runtime/owned_fd.hpp"
#include "tests/sdk/runtime/container_fixture.hpp"

namespace berth::runtime::test {
namespace {

// Before any thread: what the tests make stays in here and goes with the process.
class OwnNetwork : public ::testing::Environment {
 public:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ASSERT_EQ(std::system("ip link set lo up"), 0);
  }
};
[[maybe_unused]] const auto* own_network = ::testing::AddGlobalTestEnvironment(new OwnNetwork);

bool shell(const std::string& command) {
  return std::system(command.c_str()) == 0;
}

// What a web server says; empty where nobody answers.
std::string ask(const std::string& address, std::uint16_t port, int patience_ms = 5000) {
  const OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
    return {};
  pollfd polled{fd.get(), POLLOUT, 0};
  constexpr std::string_view kRequest = "GET / HTTP/1.0\r\n\r\n";
  if (::poll(&polled, 1, patience_ms) <= 0 ||
      ::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) {
    return {};
  }
  std::string text;
  for (;;) {
    polled.events = POLLIN;
    if (::poll(&polled, 1, patience_ms) <= 0) break;
    char buffer[256];
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  const auto body = text.find("\r\n\r\n");
  return body == std::string::npos ? "" : text.substr(body + 4);
}

std::string ask_in(const std::string& netns, const std::string& address, std::uint16_t port) {
  std::string answer;
  std::thread([&] {
    const OwnedFd fd(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd && ::setns(fd.get(), CLONE_NEWNET) == 0) answer = ask(address, port);
  }).join();
  return answer;
}

// Answers each packet to UDP port 80 of a network namespace with its name.
class UdpServer {
 public:
  UdpServer(const std::string& netns, std::string name) {
    std::thread([&] {
      const OwnedFd own(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
      if (!own || ::setns(own.get(), CLONE_NEWNET) != 0) return;
      socket_ = OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_port = htons(80);
      EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    }).join();
    thread_ = std::thread([this, name = std::move(name)] {
      sockaddr_in from{};
      socklen_t size = sizeof from;
      char byte = 0;
      while (::recvfrom(socket_.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) ==
             1) {
        ::sendto(socket_.get(), name.data(), name.size(), 0, reinterpret_cast<sockaddr*>(&from),
                 size);
      }
    });
  }
  ~UdpServer() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  OwnedFd socket_;
  std::thread thread_;
};

class Networks : public ContainerTest {
 protected:
  void SetUp() override {
    ContainerTest::SetUp();
    links_.watch_links();
    network_ = open();
    ASSERT_TRUE(network_);
  }

  void TearDown() override {
    auto ids = runtime_->list();
    for (const auto& id : *ids) EXPECT_TRUE(runtime_->remove(id));
    auto swept = network_->sweep({});
    EXPECT_TRUE(swept) << swept.error().message;
    auto down = network_->tear_down();
    EXPECT_TRUE(down) << down.error().message;
    EXPECT_TRUE(links_.until([] { return !shell("ip -br link | grep -qE '^(bv|berth)'"); }));
    EXPECT_FALSE(shell("nft list tables | grep -q berth"));
    EXPECT_TRUE(fs::is_empty(dir_ / "netns"));
    ContainerTest::TearDown();
  }

  NetworkConfig config() {
    return {.state_dir = (dir_ / "network").string(),
            .bridge = "berth0",
            .subnet = "",
            .dynamic_first = 40'000,
            .dynamic_last = 40'100,
            .netns_dir = (dir_ / "netns").string()};
  }
  std::unique_ptr<TaskNetwork> open() {
    auto network = TaskNetwork::open(config());
    EXPECT_TRUE(network) << network.error().message;
    return network ? std::move(*network) : nullptr;
  }

  // A container in its own namespace whose port 80 answers with its name.
  Endpoint serve(const std::string& id, const std::vector<PortRequest>& ports) {
    auto endpoint = network_->attach_bridge(id, ports);
    EXPECT_TRUE(endpoint) << endpoint.error().message;
    if (!endpoint) return {};
    // The server listens before it leaves for the background.
    auto one =
        spec(id, "mkdir /tmp/" + id + "; echo I am " + id + " >/tmp/" + id +
                     "/index.html; httpd -p 80 -h /tmp/" + id + " && echo up; exec sleep 1000");
    one.netns_path = endpoint->netns_path;
    auto created = runtime_->create(one);
    EXPECT_TRUE(created) << created.error().message;
    EXPECT_TRUE(runtime_->start(id));
    EXPECT_TRUE(logged(id, "up"));
    EXPECT_EQ(ask(endpoint->address, 80), "I am " + id + "\n");
    return *endpoint;
  }

  berth::test::HostEvents links_;
  std::unique_ptr<TaskNetwork> network_;
};

TEST_F(Networks, TwoContainersOfATaskMayBothListenOnPort80) {
  const auto one = serve("one", {{.container_port = 80, .host_port = 8080}});
  const auto two = serve("two", {{.container_port = 80}});
  ASSERT_EQ(one.ports.size(), 1u);
  ASSERT_EQ(two.ports.size(), 1u);
  EXPECT_EQ(one.ports[0], (PublishedPort{80, 8080, Protocol::Tcp}));
  EXPECT_GE(two.ports[0].host_port, 40'000);
  EXPECT_NE(one.address, two.address);
  const auto dynamic = two.ports[0].host_port;
  EXPECT_EQ(ask("127.0.0.1", 8080), "I am one\n");
  EXPECT_EQ(ask("127.0.0.1", dynamic), "I am two\n");
  EXPECT_EQ(ask(one.gateway, dynamic), "I am two\n");
  // From container to container: directly, by host port, and to itself by host port.
  EXPECT_EQ(ask_in(one.netns_path, two.address, 80), "I am two\n");
  EXPECT_EQ(ask_in(one.netns_path, one.gateway, dynamic), "I am two\n");
  EXPECT_EQ(ask_in(one.netns_path, one.gateway, 8080), "I am one\n");
}

TEST_F(Networks, PublishesToTheWorldEvenBehindAForwardChainThatDrops) {
  ASSERT_TRUE(
      shell("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward "
            "priority 0; policy drop; }'"));
  ASSERT_TRUE(
      shell("ip netns add " + mark_ + " && ip link add world0 type veth peer name eth0 netns " +
            mark_ + " && ip addr add 192.0.2.1/24 dev world0 && ip link set world0 up && ip -n " +
            mark_ + " addr add 192.0.2.2/24 dev eth0 && ip -n " + mark_ + " link set eth0 up"));
  serve("one", {{.container_port = 80, .host_port = 8080}});
  EXPECT_EQ(ask_in("/run/netns/" + mark_, "192.0.2.1", 8080), "I am one\n");
  auto removed = runtime_->remove("one");
  EXPECT_TRUE(removed);
  EXPECT_TRUE(network_->detach("one"));
  EXPECT_TRUE(network_->tear_down());
  EXPECT_FALSE(shell("nft list chain ip filter FORWARD | grep -q berth"))
      << "our rules went, theirs stay";
  EXPECT_TRUE(shell("nft list chain ip filter FORWARD | grep -q 'policy drop'"));
  EXPECT_TRUE(shell("nft delete table ip filter; ip netns del " + mark_));
  ASSERT_TRUE(links_.until([] { return !shell("ip link show world0 2>/dev/null >&2"); }));
}

TEST_F(Networks, LetsContainersReachNothingOnTheHostsLoopback) {
  const auto one = serve("one", {});
  const OwnedFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(7000);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  // The container sends what is for 127.0.0.1 out to the host.
  ASSERT_TRUE(shell("nsenter --net=" + one.netns_path +
                    " sh -c 'ip addr del 127.0.0.1/8 dev lo; ip route del local 127.0.0.0/8 table "
                    "local 2>/dev/null; "
                    "ip route add 127.0.0.1 via " +
                    one.gateway +
                    " dev eth0; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet'"));
  std::thread([&] {
    const OwnedFd fd(::open(one.netns_path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::setns(fd.get(), CLONE_NEWNET), 0);
    ask("127.0.0.1", 7000, 500);
  }).join();
  pollfd polled{server.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&polled, 1, 0), 0) << "nobody got through";
}

TEST_F(Networks, LetsContainersReachNoDoorOfTheControlPlane) {
  const auto listening = [](std::uint16_t port) {
    OwnedFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    EXPECT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(server.get(), 8), 0);
    return server;
  };
  const auto reaches = [](const Endpoint& from, const std::string& address, std::uint16_t port) {
    return shell("nsenter --net=" + from.netns_path + " timeout 1 bash -c 'exec 3<>/dev/tcp/" + address + "/" +
                 std::to_string(port) + "' 2>/dev/null");
  };
  const auto door = listening(7081);
  const auto other = listening(7082);
  // The control plane is here: closed at every address of this host, before and after the bridge is made.
  ASSERT_TRUE(network_->close({.address = "127.0.0.1", .ports = {7080, 7081}, .here = true}));
  const auto one = network_->attach_bridge("one", {});
  ASSERT_TRUE(one);
  EXPECT_FALSE(reaches(*one, one->gateway, 7081));
  EXPECT_TRUE(reaches(*one, one->gateway, 7082));
  ASSERT_TRUE(network_->close({.address = "127.0.0.1", .ports = {7082}, .here = true}));
  EXPECT_FALSE(reaches(*one, one->gateway, 7082));
  EXPECT_TRUE(reaches(*one, one->gateway, 7081));
  // It is elsewhere: its address only.
  ASSERT_TRUE(network_->close({.address = "192.0.2.1", .ports = {7081}}));
  EXPECT_TRUE(reaches(*one, one->gateway, 7081));
  ASSERT_TRUE(network_->close({.address = one->gateway, .ports = {7081}}));
  EXPECT_FALSE(reaches(*one, one->gateway, 7081));
  EXPECT_TRUE(reaches(*one, one->gateway, 7082));
}

TEST_F(Networks, NeitherHostNorNeighboursListenToAContainerThatPlaysARouter) {
  const auto one = network_->attach_bridge("one", {});
  ASSERT_TRUE(one);
  EXPECT_FALSE(shell("ip -6 addr show dev berth0 | grep -q inet6"))
      << "the host takes no router's advertisement";
  EXPECT_FALSE(
      shell("nsenter --net=" + one->netns_path + " ip -6 addr show dev eth0 | grep -q inet6"));
  EXPECT_TRUE(shell("nsenter --net=" + one->netns_path + " ip -6 addr show dev lo | grep -q ::1"));
}

TEST_F(Networks, ModeNoneHasALoopbackAndNothingElse) {
  auto endpoint = network_->attach_none("one");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->address, "");
  auto one = spec("one", "ip -o addr; ls /sys/class/net");
  one.netns_path = endpoint->netns_path;
  EXPECT_EQ(run(one).exit_code, 0);
  EXPECT_NE(log("one").find("127.0.0.1/8"), std::string::npos);
  EXPECT_EQ(log("one").find("eth0"), std::string::npos) << log("one");
}

TEST_F(Networks, ModeHostIsTheHostsNetwork) {
  ASSERT_TRUE(network_->attach_bridge("other", {}));
  run(spec("one", "ls /sys/class/net"));
  EXPECT_NE(log("one").find("berth0"), std::string::npos) << log("one");
}

TEST_F(Networks, RefusesAHostPortThatIsTaken) {
  ASSERT_TRUE(network_->attach_bridge("one", {{.container_port = 80, .host_port = 8080}}));
  auto second = network_->attach_bridge(
      "two", {{.container_port = 81}, {.container_port = 80, .host_port = 8080}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().status, BERTH_ALREADY_EXISTS);
  EXPECT_EQ(second.error().message,
            "CannotStartContainerError: Bind for 0.0.0.0:8080 failed: port is already allocated");
  EXPECT_TRUE(network_->attach_bridge(
      "udp", {{.container_port = 80, .host_port = 8080, .protocol = Protocol::Udp}}));
  ASSERT_TRUE(network_->detach("one"));
  EXPECT_TRUE(network_->attach_bridge("two", {{.container_port = 80, .host_port = 8080}}));
}

TEST_F(Networks, AClientThatGoesOnSendingReachesTheContainerOfTheDay) {
  const PortRequest published{.container_port = 80, .host_port = 9000, .protocol = Protocol::Udp};
  const auto gateway = network_->attach_bridge("first", {})->gateway;
  const OwnedFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9000);
  ::inet_pton(AF_INET, gateway.c_str(), &to.sin_addr);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const auto answer = [&](int patience_ms) {
    char text[16];
    ::send(client.get(), "?", 1, 0);
    pollfd polled{client.get(), POLLIN, 0};
    if (::poll(&polled, 1, patience_ms) != 1) return std::string();
    return std::string(text, static_cast<std::size_t>(
                                 std::max<ssize_t>(::recv(client.get(), text, sizeof text, 0), 0)));
  };
  EXPECT_EQ(answer(100), "") << "nobody is there yet, and the kernel remembers it";
  const auto one = network_->attach_bridge("one", {published});
  ASSERT_TRUE(one);
  {
    const UdpServer server(one->netns_path, "one");
    EXPECT_EQ(answer(5000), "one");
    ASSERT_TRUE(network_->detach("one"));
  }
  ASSERT_TRUE(network_->attach_bridge("hold", {}));
  const auto two = network_->attach_bridge("two", {published});
  ASSERT_TRUE(two);
  ASSERT_NE(two->address, one->address);
  const UdpServer server(two->netns_path, "two");
  EXPECT_EQ(answer(5000), "two");
}

TEST_F(Networks, AreFoundAgainAfterARestart) {
  const auto one = serve("one", {{.container_port = 80, .host_port = 8080}});
  network_ = nullptr;
  ASSERT_TRUE(shell("nft flush ruleset")) << "as a restart of the firewall does";
  network_ = open();
  auto found = network_->find("one");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, one.address);
  EXPECT_EQ(found->ports, one.ports);
  EXPECT_EQ(ask("127.0.0.1", 8080), "I am one\n");
  EXPECT_EQ(network_->attach_bridge("one", {{.container_port = 80, .host_port = 8080}})->address,
            one.address);
  auto other = network_->attach_bridge("two", {});
  ASSERT_TRUE(other);
  EXPECT_NE(other->address, one.address);
  EXPECT_EQ(
      network_->attach_bridge("three", {{.container_port = 80, .host_port = 8080}}).error().status,
      BERTH_ALREADY_EXISTS);
}

TEST_F(Networks, SweepRemovesWhatBelongsToNoContainer) {
  ASSERT_TRUE(network_->attach_bridge("keep", {{.container_port = 80, .host_port = 8080}}));
  ASSERT_TRUE(network_->attach_bridge("drop", {{.container_port = 80, .host_port = 8081}}));
  // As left by an agent that died before it had written anything.
  std::ofstream(dir_ / "netns/berth0_stray").flush();
  auto gone = network_->sweep({"keep"});
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(*gone, (std::vector<std::string>{"drop", "stray"}));
  EXPECT_TRUE(network_->find("keep"));
  EXPECT_FALSE(network_->find("drop"));
  EXPECT_TRUE(shell("nft list map ip berth tcp_ports | grep -q 8080"));
  EXPECT_FALSE(shell("nft list map ip berth tcp_ports | grep -q 8081"));
}

TEST_F(Networks, OfSeveralBerthsLiveSideBySide) {
  ASSERT_TRUE(network_->attach_bridge("one", {{.container_port = 80, .host_port = 8080}}));
  auto other_config = config();
  other_config.bridge = "berth-b";
  other_config.state_dir = dir_ / "network-b";
  auto other = TaskNetwork::open(other_config);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(
      (*other)->attach_bridge("one", {{.container_port = 80, .host_port = 8080}}).error().status,
      BERTH_ALREADY_EXISTS);
  auto endpoint = (*other)->attach_bridge("one", {{.container_port = 80}});
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_NE(endpoint->gateway, network_->find("one")->gateway);
  EXPECT_TRUE((*other)->sweep({})->size() == 1);
  EXPECT_TRUE((*other)->tear_down());
  EXPECT_TRUE(network_->find("one"));
  EXPECT_TRUE(shell("nft list map ip berth tcp_ports | grep -q 8080"));
}

}  // namespace
}  // namespace berth::runtime::test
