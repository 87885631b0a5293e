// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <thread>

#include "sdk/runtime/network/netlink.hpp"

namespace berth::runtime::metadata {
namespace {

constexpr std::uint16_t kPort = 51679;  // ECS's agent has it on the host
constexpr int kBacklog = 64;

// Stateless: connection tracking would cost every packet of the container.
constexpr const char* kRules = R"(table ip berth_task
delete table ip berth_task
table ip berth_task {
  chain ours {
    type filter hook output priority raw; policy accept;
    oifname "lo" ip daddr 169.254.170.2 tcp dport 80 tcp dport set 51679
    oifname "lo" ip saddr 169.254.170.2 tcp sport 51679 tcp sport set 80
  }
  chain others {
    type filter hook input priority raw; policy accept;
    iifname != "lo" ip daddr 169.254.170.2 drop
  }
}
)";

sdk::Error error_here(const std::string& what) {
  const auto status = errno == EPERM        ? BERTH_DENIED
                      : errno == EADDRINUSE ? BERTH_UNAVAILABLE
                                            : BERTH_INTERNAL;
  return sdk::fail(status, what + ": " + std::strerror(errno));
}

sdk::Result<OwnedFd> listen_at(std::uint32_t address, std::uint16_t port) {
  OwnedFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return error_here("socket");
  const int one = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(address);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return error_here("port " + std::to_string(port));
  }
  return socket;
}

sdk::Result<void> install_rules() {
  nft_ctx* const nft = ::nft_ctx_new(NFT_CTX_DEFAULT);
  ::nft_ctx_buffer_output(nft);
  ::nft_ctx_buffer_error(nft);
  const int status = ::nft_run_cmd_from_buffer(nft, kRules);
  const std::string error = ::nft_ctx_get_error_buffer(nft);
  ::nft_ctx_free(nft);
  if (status == 0) return {};
  return sdk::fail(BERTH_INTERNAL, "nftables: " + error.substr(0, error.find('\n')));
}

// In a thread that ends afterwards, since it stays in the namespace.
sdk::Result<OwnedFd> listen_here(const std::string& netns_path) {
  const OwnedFd netns(::open(netns_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns || ::setns(netns.get(), CLONE_NEWNET) != 0) return error_here(netns_path);
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  if (auto up = netlink->set_up("lo"); !up) return up.error();
  const std::uint32_t address = ntohl(::inet_addr(kAddress));
  if (auto added = netlink->add_address("lo", address, 32); !added) return added.error();
  if (auto installed = install_rules(); !installed) return installed.error();
  return listen_at(address, kPort);
}

}  // namespace

sdk::Result<OwnedFd> listen_in_netns(const std::string& netns_path) {
  std::optional<sdk::Result<OwnedFd>> made;
  try {
    std::thread([&] { made.emplace(listen_here(netns_path)); }).join();
  } catch (const std::system_error& no_thread) {
    return sdk::fail(BERTH_UNAVAILABLE, no_thread.what());
  }
  return std::move(*made);
}

sdk::Result<LoopbackListener> listen_on_loopback(std::uint16_t port) {
  auto socket = listen_at(INADDR_LOOPBACK, port == 0 ? kPort : port);
  if (!socket && port == 0) socket = listen_at(INADDR_LOOPBACK, 0);
  if (!socket) return socket.error();
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&name), &size);
  return LoopbackListener{std::move(*socket), ntohs(name.sin_port)};
}

}  // namespace berth::runtime::metadata
