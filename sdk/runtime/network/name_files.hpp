// SPDX-License-Identifier: Apache-2.0
// Contents of a container's /etc/resolv.conf, /etc/hosts and /etc/hostname.
//
// Threads: any.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace berth::runtime {

// Members of a container definition; each list that is not empty replaces what the host has.
struct DnsOptions {
  std::vector<std::string> servers;
  std::vector<std::string> search;
};

struct HostsOptions {
  std::string hostname;
  std::string address;  // empty: no line for the hostname but 127.0.1.1
  std::vector<std::pair<std::string, std::string>> extra;  // hostname, address
};

// resolv.conf from the host's text. Servers on the host's loopback cannot be reached from another
// network namespace: with `own_namespace` they are left out.
[[nodiscard]] std::string resolv_conf(const std::string& host_text, const DnsOptions& dns,
                                      bool own_namespace);
// The host's resolv.conf; of systemd-resolved the file with the real servers where /etc's has only
// its loopback one.
[[nodiscard]] std::string read_host_resolv_conf();

[[nodiscard]] std::string hosts_file(const HostsOptions& options);

}  // namespace berth::runtime
