// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/doors.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <memory>

namespace berth::runtime {

bool is_of_this_host(const std::string& address) {
  in_addr wanted{};
  if (::inet_pton(AF_INET, address.c_str(), &wanted) != 1) return false;
  if (address.starts_with("127.")) return true;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return false;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, &::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    const auto* const has = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (has->sin_addr.s_addr == wanted.s_addr) return true;
  }
  return false;
}

}  // namespace berth::runtime
