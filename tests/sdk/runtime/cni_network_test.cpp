// SPDX-License-Identifier: Apache-2.0
// Networks by the real plugins of CNI, in a network namespace of the test's own. Needs root.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>

#include "sdk/runtime/cni/cni_network.hpp"
#include "sdk/runtime/network/netlink.hpp"
#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/network/sysctl.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kBridge = "cni-test0";
constexpr const char* kPlugins = "/usr/lib/cni";

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// All that firewall and address translation hold.
std::string rules() {
  std::string out;
  FILE* tool = ::popen("iptables-save 2>/dev/null", "r");
  char buffer[4096];
  for (std::size_t n = 0; (n = ::fread(buffer, 1, sizeof buffer, tool)) > 0;) out.append(buffer, n);
  ::pclose(tool);
  return out;
}

class CniNetworks : public ::testing::Test {
 protected:
  // Nothing of this network is the machine's: all of it goes with this process.
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "needs root";
    ASSERT_EQ(::access((std::string(kPlugins) + "/bridge").c_str(), X_OK), 0)
        << "needs containernetworking-plugins";
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("none", "/run", "tmpfs", 0, nullptr), 0);
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink);
    ASSERT_TRUE(netlink->set_up("lo"));
    ASSERT_TRUE(write_sysctl("net/ipv4/ip_forward", "1"));
  }
  void SetUp() override {
    std::string path = fs::temp_directory_path() / "berth-cni-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
  }
  void TearDown() override {
    network_.reset();
    fs::remove_all(dir_);
  }
  [[nodiscard]] std::string bridge_plugin() const {
    return R"({"type":"bridge","bridge":")" + std::string(kBridge) +
           R"(","isGateway":true,"hairpinMode":true,"ipam":{"type":"host-local","dataDir":")" +
           (dir_ / "leases").string() +
           R"(","ranges":[[{"subnet":"10.231.7.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]},)" +
           R"("dns":{"nameservers":["10.231.7.53"]}})";
  }
  static std::string portmap() {
    return R"({"type":"portmap","capabilities":{"portMappings":true},"snat":true})";
  }
  // A plugin of the test's own beside the real ones.
  std::string script(const std::string& name, const std::string& text) {
    const fs::path file = dir_ / "plugins" / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "#!/bin/sh\necho $CNI_COMMAND >> " << (dir_ / (name + ".calls")).string()
                        << "\n"
                        << text;
    fs::permissions(file, fs::perms{0755});
    return R"({"type":")" + name + "\"}";
  }
  sdk::Result<std::unique_ptr<CniNetwork>> try_open(const std::vector<std::string>& plugins) {
    std::string list = R"({"cniVersion":"1.0.0","name":"testnet","plugins":[)";
    for (std::size_t i = 0; i < plugins.size(); ++i) list += (i > 0 ? "," : "") + plugins[i];
    std::ofstream(dir_ / "list.conflist") << list << "]}";
    return CniNetwork::open({.state_dir = dir_ / "state",
                             .list = plugins.empty() ? fs::path() : dir_ / "list.conflist",
                             .plugins = {(dir_ / "plugins").string(), kPlugins},
                             .bridge = "bct",
                             .dynamic_first = 41000,
                             .dynamic_last = 41100,
                             .netns_dir = "/run/netns"});
  }
  void open(const std::vector<std::string>& plugins) {
    network_.reset();
    auto opened = try_open(plugins);
    ASSERT_TRUE(opened) << opened.error().message;
    network_ = std::move(*opened);
  }
  // Whether it was killed, which one of the plugins does.
  bool an_agent_dies_attaching(const std::vector<std::string>& plugins) {
    const pid_t agent = ::fork();
    if (agent == 0) {
      auto network = try_open(plugins);
      if (network) (void)(*network)->attach("task-0", {});
      ::_exit(1);
    }
    int status = 0;
    return ::waitpid(agent, &status, 0) == agent && WIFSIGNALED(status);
  }
  // Addresses that are given out.
  [[nodiscard]] std::vector<std::string> leases() const {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir_ / "leases/testnet", error)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("10.")) out.push_back(name);
    }
    return out;
  }
  static OwnedFd listen_in(const Endpoint& endpoint, std::uint16_t port) {
    auto made = in_netns(endpoint.netns_path, [port]() -> sdk::Result<OwnedFd> {
      OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
          ::listen(fd.get(), 4) != 0) {
        return sdk::fail(BERTH_INTERNAL, "cannot listen");
      }
      return fd;
    });
    EXPECT_TRUE(made);
    return made ? std::move(*made) : OwnedFd();
  }
  static bool reaches(const std::string& host, std::uint16_t port) {
    const OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  // Takes away what belongs to none of these; what is complained of is kept.
  void sweep(const std::set<std::string>& live) {
    network_->sweep(live, [this](const std::string& complaint) {
      const std::lock_guard lock(mutex_);
      complaints_.push_back(complaint);
      complained_.notify_all();
    });
  }
  std::vector<std::string> complaints(std::size_t at_least = 0) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(complained_.wait_for(lock, std::chrono::minutes(1), [&] { return complaints_.size() >= at_least; }));
    return complaints_;
  }

  fs::path dir_;
  std::mutex mutex_;
  std::condition_variable complained_;
  std::vector<std::string> complaints_;
  std::unique_ptr<CniNetwork> network_;  // last: it may complain until it is gone
};

TEST_F(CniNetworks, GiveAnAddressAndPublishPortsAndTakeBothAway) {
  open({bridge_plugin(), portmap()});
  const auto endpoint = network_->attach("task-0", {{.container_port = 80}});
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_THAT(endpoint->address, ::testing::StartsWith("10.231.7."));
  EXPECT_EQ(endpoint->prefix_length, 24U);
  EXPECT_EQ(endpoint->gateway, "10.231.7.1");
  EXPECT_THAT(endpoint->nameservers, ::testing::ElementsAre("10.231.7.53"));
  EXPECT_THAT(leases(), ::testing::ElementsAre(endpoint->address));
  ASSERT_EQ(endpoint->ports.size(), 1U);
  const auto port = endpoint->ports[0].host_port;
  EXPECT_TRUE(port >= 41000 && port <= 41100) << port;
  const OwnedFd listener = listen_in(*endpoint, 80);
  EXPECT_TRUE(reaches(endpoint->address, 80));
  EXPECT_TRUE(reaches("10.231.7.1", port));
  EXPECT_THAT(rules(), HasSubstr("task-0"));
  // Once is enough.
  EXPECT_EQ(network_->attach("task-0", {{.container_port = 80}})->address, endpoint->address);

  const auto detached = network_->detach("task-0");
  ASSERT_TRUE(detached) << detached.error().message;
  EXPECT_THAT(leases(), IsEmpty());
  EXPECT_THAT(rules(), Not(HasSubstr("task-0")));
  EXPECT_FALSE(is_netns(endpoint->netns_path));
  EXPECT_EQ(network_->find("task-0").error().status, BERTH_NOT_FOUND);
  EXPECT_TRUE(network_->detach("task-0"));
}

TEST_F(CniNetworks, SayWhatNoLongerIsAsItWasMade) {
  open({bridge_plugin()});
  const auto good = network_->attach("task-0", {});
  const auto broken = network_->attach("task-1", {});
  ASSERT_TRUE(good && broken);
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink);
  ASSERT_TRUE(netlink->remove_link(broken->host_interface));
  sweep({"task-0", "task-1"});
  // They are checked one after another, by their ids.
  const auto told = complaints(1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_THAT(told[0], HasSubstr("the network of task-1 is not as it was made: "));
  EXPECT_TRUE(network_->detach("task-0"));
  EXPECT_TRUE(network_->detach("task-1"));
}

TEST_F(CniNetworks, HoldNobodyUpWhileTheyAreChecked) {
  ASSERT_EQ(::mkfifo((dir_ / "gate").c_str(), 0600), 0);
  open({script("slow", "[ $CNI_COMMAND = CHECK ] && cat " + (dir_ / "gate").string() +
                           "\n[ $CNI_COMMAND = ADD ] && echo '{\"cniVersion\":\"1.0.0\"}'\nexit 0\n"),
        bridge_plugin()});
  ASSERT_TRUE(network_->attach("task-0", {}));
  sweep({"task-0"});
  // The check is in the plugin for as long as nobody opens the gate: this one ends it.
  network_.reset();
  EXPECT_THAT(complaints(), IsEmpty());
  open({});
  EXPECT_TRUE(network_->detach("task-0"));
}

TEST_F(CniNetworks, AreTakenAwayOnlyOnceAPluginOfADeadAgentHasEnded) {
  const std::string calls = (dir_ / "orphan.calls").string();
  ASSERT_EQ(::mkfifo((dir_ / "gate").c_str(), 0600), 0);
  // Nobody opens the gate: it goes on for a second after its agent.
  const std::vector<std::string> plugins = {
      bridge_plugin(), script("orphan", "[ $CNI_COMMAND = ADD ] || exit 0\nkill -9 $PPID\ntimeout 1 cat " +
                                            (dir_ / "gate").string() + "\necho ADDED >> " + calls + "\n")};
  ASSERT_TRUE(an_agent_dies_attaching(plugins));
  open(plugins);
  sweep({});
  EXPECT_EQ(slurp(calls), "ADD\nADDED\nDEL\n");
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_THAT(leases(), IsEmpty());
  EXPECT_FALSE(fs::exists(dir_ / "state/locks/task-0"));
}

TEST_F(CniNetworks, AreFoundAndTakenAwayByAnotherAgentAlsoWithoutTheirNamespaceAndTheirList) {
  open({bridge_plugin(), portmap()});
  const auto one = network_->attach("task-1", {{.container_port = 80}});
  const auto two = network_->attach("task-2", {});
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(remove_netns(one->netns_path));
  open({});
  EXPECT_EQ(network_->find("task-2")->address, two->address);
  sweep({"task-2"});
  EXPECT_THAT(leases(), ::testing::ElementsAre(two->address));
  EXPECT_THAT(rules(), Not(HasSubstr("task-1")));
  sweep({});
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_F(CniNetworks, LeaveNothingOfOneThatAPluginRefused) {
  open({bridge_plugin(), script("refuse",
                                "[ $CNI_COMMAND = ADD ] || exit 0\n"
                                "echo '{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"not "
                                "now\",\"details\":\"later\"}'\nexit 1\n")});
  const auto endpoint = network_->attach("task-0", {});
  ASSERT_FALSE(endpoint);
  EXPECT_THAT(endpoint.error().message,
              ::testing::StartsWith("ContainerNetworkingError: the CNI plugin"));
  EXPECT_THAT(endpoint.error().message, HasSubstr("failed at ADD: not now (later)"));
  EXPECT_EQ(slurp(dir_ / "refuse.calls"), "ADD\nDEL\n");
  EXPECT_THAT(leases(), IsEmpty());
  EXPECT_FALSE(is_netns("/run/netns/bct_task-0"));
}

TEST_F(CniNetworks, LeaveNothingOfOneWhoseAgentWasKilledInTheMiddle) {
  const std::vector<std::string> plugins = {
      bridge_plugin(), script("killer", "[ $CNI_COMMAND = ADD ] && kill -9 $PPID\nexit 0\n")};
  ASSERT_TRUE(an_agent_dies_attaching(plugins));
  EXPECT_EQ(leases().size(), 1U);
  open(plugins);
  sweep({});
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_THAT(leases(), IsEmpty());
  EXPECT_FALSE(is_netns("/run/netns/bct_task-0"));
}

TEST_F(CniNetworks, BelieveNoResultThatCannotBe) {
  open({script("liar",
               "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.300/8\"}]}'\n")});
  const auto endpoint = network_->attach("task-0", {});
  ASSERT_FALSE(endpoint);
  EXPECT_THAT(endpoint.error().message,
              HasSubstr("the CNI plugin liar gives a result that cannot be"));
  open({script("none", "echo '{\"cniVersion\":\"1.0.0\"}'\n")});
  EXPECT_THAT(network_->attach("task-0", {}).error().message, HasSubstr("gives no IPv4 address"));
  open({script("flood", "yes | head -c 3000000\n")});
  EXPECT_THAT(network_->attach("task-0", {}).error().message, HasSubstr("more than 256 KiB"));
}

TEST_F(CniNetworks, NameWhatTheListLacks) {
  EXPECT_THAT(try_open({R"({"type":"no-such-plugin"})"}).error().message,
              HasSubstr("the CNI plugin no-such-plugin is in none of"));
  open({bridge_plugin()});
  const auto endpoint = network_->attach("task-0", {{.container_port = 80}});
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().field, "portMappings");
  EXPECT_THAT(leases(), IsEmpty());
}

}  // namespace
}  // namespace berth::runtime
