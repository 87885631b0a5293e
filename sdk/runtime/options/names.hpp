// SPDX-License-Identifier: Apache-2.0
// Reads what a container is called and whom it knows: hostname, extraHosts, dns, links.
//
// Threads: any; pure. Errors: INVALID, with the member at fault.
#pragma once

#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime::options {

struct Link {
  int container = 0;  // index of the one that is linked to
  std::string alias;
};

[[nodiscard]] sdk::Result<std::vector<Link>> read_links(const v1::ecs::TaskDefinition& task,
                                                        int container);
// Checks hostname, extraHosts, dnsServers, dnsSearchDomains and disableNetworking.
[[nodiscard]] sdk::Result<void> check_names(const v1::ecs::TaskDefinition& task, int container);

}  // namespace berth::runtime::options
