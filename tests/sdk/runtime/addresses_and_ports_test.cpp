// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "sdk/runtime/network/name_files.hpp"
#include "sdk/runtime/network/port_allocator.hpp"
#include "sdk/runtime/network/subnet.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

// A port of the kernel's choice that something listens on, or that was free a moment ago.
struct Listener {
  OwnedFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;
  Listener() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(fd.get(), 1), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port = ntohs(at.sin_port);
  }
};

TEST(PortAllocator, GivesAFixedPortOnceForEachProtocol) {
  std::uint16_t port = 0;
  {
    Listener free_soon;
    port = free_soon.port;
  }
  PortAllocator ports(1, 1);
  ASSERT_TRUE(ports.take(Protocol::Tcp, port));
  EXPECT_EQ(ports.take(Protocol::Tcp, port).error().status, BERTH_ALREADY_EXISTS);
  EXPECT_TRUE(ports.take(Protocol::Udp, port));
  ports.give_back(Protocol::Tcp, port);
  EXPECT_TRUE(ports.take(Protocol::Tcp, port));
}

TEST(PortAllocator, KnowsPortsThatOtherProgramsHave) {
  const Listener other;
  PortAllocator ports(other.port, other.port);
  EXPECT_EQ(ports.take(Protocol::Tcp, other.port).error().status, BERTH_ALREADY_EXISTS);
  EXPECT_EQ(ports.take(Protocol::Tcp, 0).error().status, BERTH_NO_CAPACITY);
  EXPECT_EQ(*ports.take(Protocol::Udp, 0), other.port);
}

TEST(PortAllocator, KeepsOthersFromItsPorts) {
  std::uint16_t port = 0;
  {
    Listener free_soon;
    port = free_soon.port;
  }
  PortAllocator one(1, 1);
  ASSERT_TRUE(one.take(Protocol::Tcp, port));
  PortAllocator two(port, port);
  EXPECT_EQ(two.take(Protocol::Tcp, 0).error().status, BERTH_NO_CAPACITY);
  two.keep({{.container_port = 80, .host_port = port}});
  EXPECT_EQ(two.take(Protocol::Tcp, port).error().status, BERTH_ALREADY_EXISTS);
}

TEST(PortAllocator, TakesItsRangeFromTheKernel) {
  const auto [first, last] = PortAllocator::kernel_range();
  EXPECT_GT(first, 0);
  EXPECT_GE(last, first);
}

TEST(Subnet, ReadsWhatIsOneAndNothingElse) {
  EXPECT_EQ(Subnet::parse("172.30.0.0/16")->print(), "172.30.0.0/16");
  for (const char* bad : {"172.30.0.1/16", "172.30.0.0", "172.30.0.0/30", "172.30.0.0/7",
                          "172.30.0.0/16x", "x/16", "172.30.0.0/"}) {
    EXPECT_FALSE(Subnet::parse(bad)) << bad;
  }
  EXPECT_TRUE(Subnet::parse("10.0.0.0/8")->overlaps(*Subnet::parse("10.5.0.0/16")));
  EXPECT_TRUE(Subnet::parse("10.5.0.0/16")->overlaps(*Subnet::parse("10.0.0.0/8")));
  EXPECT_FALSE(Subnet::parse("10.4.0.0/16")->overlaps(*Subnet::parse("10.5.0.0/16")));
}

TEST(AddressPool, GivesEachAddressOnceAndAReturnedOneLast) {
  AddressPool pool(*Subnet::parse("10.0.0.0/29"));
  EXPECT_EQ(print_address(*pool.take()), "10.0.0.2");
  pool.give_back(*parse_address("10.0.0.2"));
  for (const char* next : {"10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"})
    EXPECT_EQ(print_address(*pool.take()), next);
  EXPECT_FALSE(pool.take());
  pool.give_back(*parse_address("10.0.0.4"));
  EXPECT_EQ(print_address(*pool.take()), "10.0.0.4");
}

TEST(AddressPool, TakesUpWhatWasGivenOutBefore) {
  AddressPool pool(*Subnet::parse("10.0.0.0/29"));
  EXPECT_TRUE(pool.take(*parse_address("10.0.0.3")));
  EXPECT_FALSE(pool.take(*parse_address("10.0.0.3")));
  EXPECT_FALSE(pool.take(*parse_address("10.0.0.1"))) << "the gateway's";
  EXPECT_FALSE(pool.take(*parse_address("10.0.0.7"))) << "the broadcast's";
  EXPECT_EQ(print_address(*pool.take()), "10.0.0.4") << "goes on where it was";
}

TEST(NameFiles, LeaveOutServersThatAContainerCannotReach) {
  const std::string host =
      "# note\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch lan\noptions ndots:2\n";
  EXPECT_EQ(resolv_conf(host, {}, true), "nameserver 10.0.0.1\nsearch lan\noptions ndots:2\n");
  EXPECT_EQ(resolv_conf(host, {}, false),
            "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch lan\noptions ndots:2\n");
  EXPECT_EQ(resolv_conf(host, {.servers = {"1.1.1.1"}, .search = {"a", "b"}}, true),
            "options ndots:2\nnameserver 1.1.1.1\nsearch a b\n");
}

TEST(NameFiles, NameTheContainerAndItsExtraHosts) {
  const auto text =
      hosts_file({.hostname = "box", .address = "10.0.0.2", .extra = {{"db", "10.0.0.9"}}});
  EXPECT_NE(text.find("127.0.0.1\tlocalhost\n"), std::string::npos);
  EXPECT_NE(text.find("10.0.0.9\tdb\n"), std::string::npos);
  EXPECT_NE(text.find("10.0.0.2\tbox\n"), std::string::npos);
}

}  // namespace
}  // namespace berth::runtime
