// SPDX-License-Identifier: Apache-2.0
// Settings of the kernel, in the calling thread's network namespace.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>

namespace berth::runtime {

// "net/ipv4/ip_forward". True where it has the value now; errno says why not.
[[nodiscard]] bool write_sysctl(const std::string& name, const char* value);

// FNV-1a: the same in every run, unlike std::hash; what begins the names of a bridge's links.
[[nodiscard]] std::uint32_t mark_of(const std::string& bridge);

}  // namespace berth::runtime
