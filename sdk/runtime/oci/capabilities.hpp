// SPDX-License-Identifier: Apache-2.0
// Linux capabilities by name, and which of them Docker gives.
//
// Sets are bits: bit n is capability n. Threads: any; pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace berth::runtime::capabilities {

// In the order of their numbers, as <linux/capability.h> has them.
inline constexpr std::array<std::string_view, 41> kNames = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};
inline constexpr std::uint64_t kAll = (std::uint64_t{1} << kNames.size()) - 1;

// "NET_ADMIN" or "CAP_NET_ADMIN"; "ALL" is all of them.
[[nodiscard]] inline std::optional<std::uint64_t> parse(std::string_view name) {
  if (name == "ALL") return kAll;
  if (name.starts_with("CAP_")) name.remove_prefix(4);
  for (std::size_t number = 0; number < kNames.size(); ++number) {
    if (kNames[number] == name) return std::uint64_t{1} << number;
  }
  return std::nullopt;
}

[[nodiscard]] constexpr std::uint64_t bit(std::string_view name) {
  for (std::size_t number = 0; number < kNames.size(); ++number) {
    if (kNames[number] == name) return std::uint64_t{1} << number;
  }
  return 0;
}

inline constexpr std::uint64_t kDocker =
    bit("CHOWN") | bit("DAC_OVERRIDE") | bit("FSETID") | bit("FOWNER") | bit("MKNOD") |
    bit("NET_RAW") | bit("SETGID") | bit("SETUID") | bit("SETFCAP") | bit("SETPCAP") |
    bit("NET_BIND_SERVICE") | bit("SYS_CHROOT") | bit("KILL") | bit("AUDIT_WRITE");

}  // namespace berth::runtime::capabilities
