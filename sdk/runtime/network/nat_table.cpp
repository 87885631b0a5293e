// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/nat_table.hpp"

#include <nftables/libnftables.h>

#include <algorithm>
#include <sstream>
#include <utility>

namespace berth::runtime {
namespace {

const char* map_of(Protocol protocol) {
  return protocol == Protocol::Tcp ? "tcp_ports" : "udp_ports";
}

std::string element(const Publication& one) {
  return std::to_string(one.port.host_port) + " : " + one.address + " . " +
         std::to_string(one.port.container_port);
}

std::string elements_of(const std::vector<Publication>& publications, Protocol protocol) {
  std::string list;
  for (const auto& one : publications) {
    if (one.port.protocol == protocol) list += (list.empty() ? "" : ", ") + element(one);
  }
  return list.empty() ? "" : "    elements = { " + list + " }\n";
}

}  // namespace

NatTable::NatTable(std::string bridge, std::string subnet)
    : bridge_(std::move(bridge)), subnet_(std::move(subnet)), nft_(::nft_ctx_new(NFT_CTX_DEFAULT)) {
  table_ = bridge_ == "berth0" ? "berth" : "berth_" + bridge_;
  std::replace(table_.begin(), table_.end(), '-', '_');
  ::nft_ctx_buffer_output(nft_);
  ::nft_ctx_buffer_error(nft_);
}

NatTable::~NatTable() {
  ::nft_ctx_free(nft_);
}

sdk::Result<std::string> NatTable::run(const std::string& commands, bool with_handles) {
  ::nft_ctx_output_set_flags(nft_, with_handles ? NFT_CTX_OUTPUT_HANDLE : 0);
  const int status = ::nft_run_cmd_from_buffer(nft_, commands.c_str());
  std::string output = ::nft_ctx_get_output_buffer(nft_);
  const std::string error = ::nft_ctx_get_error_buffer(nft_);
  if (status == 0) return output;
  return sdk::fail(BERTH_INTERNAL, "nftables: " + error.substr(0, error.find('\n')));
}

sdk::Result<void> NatTable::install(const std::vector<Publication>& publications) {
  std::string text =
      "table ip " + table_ + "\ndelete table ip " + table_ + "\ntable ip " + table_ + " {\n";
  for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
    text += std::string("  map ") + map_of(protocol) +
            " {\n    type inet_service : ipv4_addr . inet_service\n" +
            elements_of(publications, protocol) + "  }\n";
  }
  const std::string redirect =
      "    fib daddr type local dnat ip to tcp dport map @tcp_ports\n"
      "    fib daddr type local dnat ip to udp dport map @udp_ports\n  }\n";
  text += "  chain closed {\n" + closed() + "  }\n";
  // Containers must not reach what listens on the host's loopback, although route_localnet is on
  // for the bridge.
  text +=
      "  chain guard {\n    type filter hook prerouting priority raw; policy accept;\n    iifname "
      "\"" +
      bridge_ + "\" ip daddr 127.0.0.0/8 drop\n    iifname \"" + bridge_ +
      "\" ip saddr 127.0.0.0/8 drop\n    jump closed\n  }\n";
  text += "  chain prerouting {\n    type nat hook prerouting priority dstnat; policy accept;\n" +
          redirect;
  text += "  chain output {\n    type nat hook output priority -100; policy accept;\n" + redirect;
  text +=
      "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n"
      "    ip saddr " +
      subnet_ + " oifname != \"" + bridge_ +
      "\" masquerade\n"
      "    oifname \"" +
      bridge_ +
      "\" ip saddr 127.0.0.0/8 masquerade\n"
      // From container to container by a host port: answers must come back through the host to be
      // turned round.
      "    ip saddr " +
      subnet_ + " ip daddr " + subnet_ + " ct status dnat masquerade\n  }\n}\n";
  auto done = run(text);
  if (!done) return done.error();
  return {};
}

sdk::Result<void> NatTable::add(const std::vector<Publication>& publications) {
  std::string text;
  for (const auto& one : publications) {
    text += "add element ip " + table_ + " " + map_of(one.port.protocol) + " { " + element(one) +
            " }\n";
  }
  if (text.empty()) return {};
  auto done = run(text);
  if (!done) return done.error();
  return {};
}

sdk::Result<void> NatTable::remove(const std::vector<Publication>& publications) {
  std::string text;
  for (const auto& one : publications) {
    // Added first, so that one that is missing does not fail the others.
    const std::string where = " element ip " + table_ + " " + map_of(one.port.protocol) + " { ";
    text += "add" + where + element(one) + " }\ndelete" + where +
            std::to_string(one.port.host_port) + " }\n";
  }
  if (text.empty()) return {};
  auto done = run(text);
  if (done || !exists()) return {};
  return done.error();
}

// Before an address is translated, and whichever of this host's it is.
std::string NatTable::closed() const {
  if (doors_.ports.empty()) return "";
  std::string ports;
  for (const std::uint16_t port : doors_.ports) {
    ports += (ports.empty() ? "" : ", ") + std::to_string(port);
  }
  const std::string where = doors_.here ? "fib daddr type local" : "ip daddr " + doors_.address;
  return "    iifname \"" + bridge_ + "\" " + where + " tcp dport { " + ports + " } drop\n";
}

sdk::Result<void> NatTable::close(const Doors& doors) {
  if (doors == doors_) return {};
  doors_ = doors;
  if (!exists()) return {};
  auto done = run("flush chain ip " + table_ + " closed\ntable ip " + table_ +
                  " {\n  chain closed {\n" + closed() + "  }\n}\n");
  if (!done) return done.error();
  return {};
}

bool NatTable::exists() {
  return run("list map ip " + table_ + " tcp_ports\n").has_value();
}

sdk::Result<void> NatTable::open_forward() {
  const auto chain = run("list chain ip filter FORWARD\n");
  if (!chain || chain->find("policy drop") == std::string::npos) return {};
  const std::string comment = " counter accept comment \"berth:" + bridge_ + "\"\n";
  if (chain->find("berth:" + bridge_ + "\"") != std::string::npos) return {};
  auto done = run("insert rule ip filter FORWARD iifname \"" + bridge_ + "\"" + comment +
                  "insert rule ip filter FORWARD oifname \"" + bridge_ + "\"" + comment);
  if (!done) return done.error();
  return {};
}

sdk::Result<void> NatTable::remove_all() {
  std::string text = "table ip " + table_ + "\ndelete table ip " + table_ + "\n";
  if (const auto chain = run("list chain ip filter FORWARD\n", true)) {
    std::istringstream lines(*chain);
    for (std::string line; std::getline(lines, line);) {
      const auto handle = line.find("# handle ");
      if (line.find("\"berth:" + bridge_ + "\"") == std::string::npos ||
          handle == std::string::npos)
        continue;
      text += "delete rule ip filter FORWARD handle " + line.substr(handle + 9) + "\n";
    }
  }
  auto done = run(text);
  if (!done) return done.error();
  return {};
}

}  // namespace berth::runtime
