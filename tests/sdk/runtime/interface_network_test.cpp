// SPDX-License-Identifier: Apache-2.0
// In a network namespace of the test's own, which plays the host.
#include "sdk/runtime/network/interface_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "sdk/runtime/network/netns.hpp"
#include "tests/sdk/runtime/interfaces.hpp"
#include "tests/support/host_events.hpp"

namespace berth::runtime::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char* kA = "10.98.0.4";
constexpr const char* kB = "10.98.0.5";
constexpr const char* kC = "10.98.0.6";
constexpr const char* kGateway = "10.98.0.1";
constexpr std::uint16_t kPort = 8080;
constexpr int kSoon = 2'000;   // ms, for what must come
constexpr int kNothing = 300;  // ms, for what must not

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

std::string output(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  ::pclose(pipe);
  return text;
}

sockaddr_in at(const std::string& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

// A socket that listens; the kernel completes connections to it by itself.
sdk::Result<OwnedFd> listen_here(const std::string& address, std::uint16_t port) {
  OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto where = at(address, port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
      ::listen(fd.get(), 8) != 0) {
    return sdk::fail(BERTH_INTERNAL, std::strerror(errno));
  }
  return fd;
}

bool connects_here(const std::string& address, std::uint16_t port, int patience,
                   const std::string& from = {}) {
  const OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!from.empty()) {
    const auto own = at(from, 0);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) return false;
  }
  const auto to = at(address, port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd polled{fd.get(), POLLOUT, 0};
  int error = 0;
  socklen_t size = sizeof error;
  return ::poll(&polled, 1, patience) == 1 &&
         ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

OwnedFd listens(const std::string& netns, std::uint16_t port,
                const std::string& address = "0.0.0.0") {
  auto fd = in_netns(netns, [&] { return listen_here(address, port); });
  EXPECT_TRUE(fd) << fd.error().message;
  return fd ? std::move(*fd) : OwnedFd();
}

bool connects(const std::string& netns, const std::string& address, std::uint16_t port,
              int patience = kSoon, const std::string& from = {}) {
  bool connected = false;
  auto done = in_netns(netns, [&]() -> sdk::Result<OwnedFd> {
    connected = connects_here(address, port, patience, from);
    return OwnedFd();
  });
  EXPECT_TRUE(done) << done.error().message;
  return connected;
}

SecurityGroup group(const std::string& id, std::vector<SecurityRule> ingress,
                    std::vector<SecurityRule> egress) {
  return {.id = id, .ingress = std::move(ingress), .egress = std::move(egress)};
}
SecurityRule any(const std::string& cidr) {
  return {.protocol = "-1", .cidr = cidr, .group = {}};
}
SecurityRule tcp(std::uint16_t first, std::uint16_t last, const std::string& cidr) {
  return {.protocol = "tcp", .from_port = first, .to_port = last, .cidr = cidr, .group = {}};
}

class Interfaces : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = fs::temp_directory_path() / "berth-eni-XXXXXX";
    dir_ = ::mkdtemp(path.data());
    links_.watch_links();
    network_ = open();
    ASSERT_TRUE(network_);
  }
  void TearDown() override {
    ASSERT_TRUE(network_->sweep({}));
    auto down = network_->tear_down();
    EXPECT_TRUE(down) << down.error().message;
    EXPECT_TRUE(links_.until([] { return !shell("ip -br link | grep -qE '^e[0-9a-f]{14}'"); }))
        << output("ip -br link");
    EXPECT_THAT(output("nft list tables"), Not(HasSubstr("berth")));
    EXPECT_THAT(output("ip route show proto 190"), IsEmpty());
    EXPECT_TRUE(fs::is_empty(dir_ / "netns"));
    network_.reset();
    fs::remove_all(dir_);
  }

  std::unique_ptr<InterfaceNetwork> open() {
    fs::create_directories(dir_ / "netns");
    auto network = InterfaceNetwork::open({.bridge = kBridge, .netns_dir = dir_ / "netns"});
    EXPECT_TRUE(network);
    return std::move(*network);
  }
  std::string attach(const TaskInterface& interface) {
    auto path = network_->attach(interface);
    EXPECT_TRUE(path) << path.error().message;
    return path ? *path : "";
  }

  static constexpr const char* kBridge = "btn";
  fs::path dir_;
  berth::test::HostEvents links_;
  std::unique_ptr<InterfaceNetwork> network_;
};

TEST_F(Interfaces, MembersOfAGroupReachEachOtherAndTheHostReachesThem) {
  const auto a = attach(interface_at("a", kA));
  const auto b = attach(interface_at("b", kB));
  const auto server = listens(b, kPort);
  EXPECT_TRUE(connects(a, kB, kPort));
  EXPECT_TRUE(connects_here(kB, kPort, kSoon)) << "the operator on this host";
  EXPECT_TRUE(connects(b, "127.0.0.1", kPort)) << "containers of one task";
  EXPECT_EQ(attach(interface_at("b", kB)), b) << "again is the same";
  EXPECT_TRUE(connects(a, kB, kPort));
}

TEST_F(Interfaces, AGroupLetsInWhatItsRulesSayAndNothingElse) {
  const auto open_group = group("sg-open", {tcp(kPort, kPort, "10.98.0.4/32")}, {any("0.0.0.0/0")});
  const auto a = attach(interface_at("a", kA, {open_group}));
  const auto c = attach(interface_at("c", kC, {open_group}));
  const auto b = attach(interface_at("b", kB, {open_group}));
  const auto server = listens(b, kPort);
  const auto other_port = listens(b, kPort + 1);
  EXPECT_TRUE(connects(a, kB, kPort));
  EXPECT_FALSE(connects(a, kB, kPort + 1, kNothing)) << "another port";
  EXPECT_FALSE(connects(c, kB, kPort, kNothing)) << "another source";
}

TEST_F(Interfaces, RulesOfPluginsAreInForceAlsoAfterASweepAndBadOnesAreToldBefore) {
  const auto shut = group("sg-shut", {}, {any("0.0.0.0/0")});
  TaskInterface served = interface_at("b", kB, {shut});
  served.ingress_rules = {"ip saddr " + std::string(kA) + " tcp dport " + std::to_string(kPort) +
                          " accept"};
  EXPECT_TRUE(network_->check_rules(served));
  const auto a = attach(interface_at("a", kA, {shut}));
  const auto c = attach(interface_at("c", kC, {shut}));
  const auto b = attach(served);
  const auto server = listens(b, kPort);
  EXPECT_TRUE(connects(a, kB, kPort));
  EXPECT_FALSE(connects(c, kB, kPort, kNothing));
  network_ = open();
  const auto swept =
      network_->sweep({interface_at("a", kA, {shut}), interface_at("c", kC, {shut}), served});
  ASSERT_TRUE(swept) << swept.error().message;
  EXPECT_TRUE(connects(a, kB, kPort));
  TaskInterface wrong = interface_at("d", kB, {shut});
  wrong.ingress_rules = {"tcp dport eighty-ish accept"};
  const auto told = network_->check_rules(wrong);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().status, BERTH_INVALID);
  EXPECT_THAT(told.error().message, HasSubstr("a rule of a plugin is none: nftables: "));
}

TEST_F(Interfaces, AGroupLetsOutWhatItsRulesSayAndNothingElse) {
  const auto narrow = group("sg-narrow", {}, {tcp(kPort, kPort + 1, "10.98.0.5/32")});
  const auto a = attach(interface_at("a", kA, {narrow}));
  const auto b = attach(interface_at("b", kB, {group("sg-any", {any("0.0.0.0/0")}, {})}));
  const auto one = listens(b, kPort + 1);
  const auto two = listens(b, kPort + 2);
  EXPECT_TRUE(connects(a, kB, kPort + 1));
  EXPECT_FALSE(connects(a, kB, kPort + 2, kNothing));
  const auto back = listens(a, kPort);
  EXPECT_FALSE(connects(b, kA, kPort, kNothing)) << "b may send nothing but answers";
}

TEST_F(Interfaces, MembersOfANamedGroupMayComeAndOthersMayNot) {
  const auto lb = group("sg-lb", {}, {any("0.0.0.0/0")});
  const auto web = group("sg-web", {{.protocol = "-1", .cidr = {}, .group = "sg-lb"}}, {});
  const auto b = attach(interface_at("b", kB, {web}));
  const auto server = listens(b, kPort);
  const auto a = attach(interface_at("a", kA, {lb}));
  EXPECT_TRUE(connects(a, kB, kPort)) << "a came after the rule";
  const auto c = attach(interface_at("c", kC, {group("sg-other", {}, {any("0.0.0.0/0")})}));
  EXPECT_FALSE(connects(c, kB, kPort, kNothing));
  ASSERT_TRUE(network_->detach("a"));
  EXPECT_THAT(output("nft list set ip berth_eni_btn of_sg_hlb"), Not(HasSubstr(kA)));
}

TEST_F(Interfaces, NothingOnTheHostIsReached) {
  ASSERT_TRUE(shell("ip addr add 192.0.2.99/32 dev lo"));
  const auto a = attach(interface_at("a", kA));
  const auto everywhere = listen_here("0.0.0.0", kPort);
  ASSERT_TRUE(everywhere);
  EXPECT_FALSE(connects(a, kGateway, kPort, kNothing));
  EXPECT_FALSE(connects(a, "192.0.2.99", kPort, kNothing));
  const auto inside = listens(a, kPort + 1);
  EXPECT_TRUE(connects_here(kA, kPort + 1, kSoon)) << "answers to the host do pass";
  ASSERT_TRUE(shell("ip addr del 192.0.2.99/32 dev lo"));
}

TEST_F(Interfaces, EachTaskHasMetadataOfItsOwn) {
  const auto a = attach(interface_at("a", kA));
  const auto b = attach(interface_at("b", kB));
  const auto metadata = listens(a, 80, InterfaceNetwork::kMetadataAddress);
  EXPECT_TRUE(connects(a, InterfaceNetwork::kMetadataAddress, 80));
  EXPECT_FALSE(connects(b, InterfaceNetwork::kMetadataAddress, 80, kNothing))
      << "that of another task";
  const auto host = listen_here("0.0.0.0", 80);
  ASSERT_TRUE(shell("ip addr add 169.254.169.254/32 dev lo"));
  EXPECT_FALSE(connects(a, "169.254.169.254", 80, kNothing));
  ASSERT_TRUE(shell("ip addr del 169.254.169.254/32 dev lo"));
}

TEST_F(Interfaces, ATaskSpeaksForNoOtherAddress) {
  const auto all = group("sg-all", {any("0.0.0.0/0")}, {any("0.0.0.0/0")});
  const auto a = attach(interface_at("a", kA, {all}));
  const auto b = attach(interface_at("b", kB, {all}));
  const auto server = listens(b, kPort);
  ASSERT_TRUE(shell("nsenter --net=" + a + " ip addr add 10.98.0.9/32 dev eth0"));
  EXPECT_FALSE(connects(a, kB, kPort, kNothing, "10.98.0.9"));
  EXPECT_TRUE(connects(a, kB, kPort, kSoon, kA));
}

TEST_F(Interfaces, TheControlPlanesDoorIsClosed) {
  const auto all = group("sg-all", {any("0.0.0.0/0")}, {any("0.0.0.0/0")});
  network_->close({.address = kB, .ports = {kPort, kPort + 2}});
  const auto a = attach(interface_at("a", kA, {all}));
  const auto b = attach(interface_at("b", kB, {all}));  // plays the host of the control plane
  const auto door = listens(b, kPort);
  const auto other = listens(b, kPort + 1);
  EXPECT_FALSE(connects(a, kB, kPort, kNothing));
  EXPECT_TRUE(connects(a, kB, kPort + 1));
  network_->close({.address = kB, .ports = {kPort + 1}});
  EXPECT_TRUE(connects(a, kB, kPort));
  network_->close({.address = kB, .ports = {}});
  EXPECT_TRUE(connects(a, kB, kPort + 1));
}

TEST_F(Interfaces, SweepKeepsWhatLivesAndRemovesTheRest) {
  const auto a = attach(interface_at("a", kA));
  const auto b = attach(interface_at("b", kB));
  const auto c = attach(interface_at("c", kC));
  network_ = open();  // another process
  auto swept = network_->sweep({interface_at("a", kA), interface_at("b", kB)});
  ASSERT_TRUE(swept) << swept.error().message;
  EXPECT_THAT(*swept, UnorderedElementsAre("c"));
  EXPECT_FALSE(is_netns(c));
  EXPECT_THAT(output("nft list table ip berth_eni_btn"), Not(HasSubstr(kC)));
  EXPECT_TRUE(links_.until([] { return !shell("ip -br link | grep -q 0a620006"); }));
  const auto server = listens(b, kPort);
  EXPECT_TRUE(connects(a, kB, kPort));
  EXPECT_FALSE(network_->tear_down()) << "two are there";
}

TEST_F(Interfaces, WhoeverFlushesTheRulesOpensNothingForLong) {
  const auto a = attach(interface_at("a", kA));
  ASSERT_TRUE(shell("nft flush ruleset"));
  const auto b = attach(interface_at("b", kB));
  EXPECT_THAT(output("nft list table ip berth_eni_btn"), HasSubstr(kA));
  ASSERT_TRUE(network_->detach("a"));
}

TEST_F(Interfaces, RoutesAndGroupsFollowTheOtherHosts) {
  ASSERT_TRUE(
      shell("ip link add uplink type veth peer name far && ip addr add 192.0.2.1/24 dev uplink && "
            "ip link set uplink up && ip link set far up"));
  attach(interface_at("a", kA));
  PeerNews news{.snapshot = true,
                .hosts = {{.node = "n2",
                           .address = "192.0.2.2",
                           .whole = true,
                           .added = {{kB, {"sg-default"}}, {"8.8.8.8", {"sg-default"}}},
                           .removed = {}}},
                .silent = {}};
  EXPECT_THAT(network_->take(news), IsEmpty());
  EXPECT_THAT(output("ip route show proto 190"), HasSubstr(std::string(kB) + " via 192.0.2.2"));
  EXPECT_THAT(output("ip route"), Not(HasSubstr("8.8.8.8")))
      << "an agent claims an address of no subnet";
  EXPECT_THAT(output("nft list set ip berth_eni_btn of_sg_hdefault"), HasSubstr(kB));
  EXPECT_THAT(output("nft list set ip berth_eni_btn of_sg_hdefault"), Not(HasSubstr("8.8.8.8")));

  network_ = open();  // restarted, and the control plane as well: n2 has not spoken yet
  ASSERT_TRUE(network_->sweep({interface_at("a", kA)}));
  EXPECT_THAT(network_->take({.snapshot = true, .hosts = {}, .silent = {"n2"}}), IsEmpty());
  EXPECT_THAT(output("ip route show proto 190"), HasSubstr(kB)) << "its tasks run on";
  news.hosts[0].address = "192.0.2.3";
  news.snapshot = false;
  EXPECT_THAT(network_->take(news), IsEmpty());
  EXPECT_THAT(output("ip route show proto 190"), HasSubstr(std::string(kB) + " via 192.0.2.3"));
  news.hosts[0].whole = false;
  news.hosts[0].added.clear();
  news.hosts[0].removed = {kB};
  EXPECT_THAT(network_->take(news), IsEmpty());
  EXPECT_THAT(output("ip route show proto 190 via 192.0.2.3"), IsEmpty());

  news.hosts[0] = {
      .node = "n3", .address = "203.0.113.9", .whole = true, .added = {{kC, {}}}, .removed = {}};
  EXPECT_THAT(network_->take(news), ::testing::ElementsAre(HasSubstr("203.0.113.9")));
  ASSERT_TRUE(network_->take({.snapshot = true, .hosts = {}, .silent = {}}).empty());
  ASSERT_TRUE(shell("ip link del uplink"));
}

// Kills a process at each point and looks at what a new one makes of it.
class InterfaceCrash : public Interfaces, public ::testing::WithParamInterface<const char*> {
 protected:
  // Whether it died at the point.
  bool dies(const std::string& point, const char* verb) {
    const std::string netns = dir_ / "netns";
    const std::string armed = "BERTH_FAILPOINT=" + point;
    const char* const args[] = {
        BERTH_INTERFACE_PROGRAM, kBridge, netns.c_str(), verb, "a", kA, nullptr};
    std::vector<const char*> environment{armed.c_str()};
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    environment.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawn(&pid, BERTH_INTERFACE_PROGRAM, nullptr, nullptr, const_cast<char**>(args),
                      const_cast<char**>(environment.data())) != 0) {
      return false;
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
};

TEST_P(InterfaceCrash, LeavesNothingThatTheNextStartDoesNotFind) {
  const bool removes = std::string(GetParam()) == "network.after_rules_removed";
  if (removes) attach(interface_at("a", kA));
  ASSERT_TRUE(dies(GetParam(), removes ? "detach" : "attach")) << "the point was not passed";
  network_ = open();
  ASSERT_TRUE(network_->sweep({interface_at("a", kA)})) << "the task is still wanted";
  const auto a = attach(interface_at("a", kA));
  const auto b = attach(interface_at("b", kB));
  const auto server = listens(a, kPort);
  EXPECT_TRUE(connects(b, kA, kPort));
  ASSERT_TRUE(network_->detach("a"));
  ASSERT_TRUE(network_->detach("b"));
}

TEST_P(InterfaceCrash, OfATaskThatIsGoneNothingStays) {
  const bool removes = std::string(GetParam()) == "network.after_rules_removed";
  if (removes) attach(interface_at("a", kA));
  ASSERT_TRUE(dies(GetParam(), removes ? "detach" : "attach")) << "the point was not passed";
  network_ = open();
  ASSERT_TRUE(network_->sweep({}));
  // TearDown looks for namespaces, links, tables and routes.
}

INSTANTIATE_TEST_SUITE_P(Points, InterfaceCrash,
                         ::testing::Values("network.before_namespace", "network.after_namespace",
                                           "network.after_rules", "network.after_link",
                                           "network.before_whole", "network.after_whole",
                                           "network.after_rules_removed"));

}  // namespace
}  // namespace berth::runtime::test
