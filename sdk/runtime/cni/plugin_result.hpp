// SPDX-License-Identifier: Apache-2.0
// What a plugin of CNI says it has made, checked: no more of it is believed than is understood.
//
// Threads: any; pure. Errors: INVALID says what is wrong with it.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/cni/conf_list.hpp"

namespace berth::runtime::cni {

struct PluginResult {
  boost::json::object raw;  // as the next plugin is told
  std::string address;      // IPv4, the first one; empty: none
  unsigned prefix_length = 0;
  std::string gateway;         // of that address; may be empty
  std::string host_interface;  // the first interface outside the sandbox that is no bridge
  std::vector<std::string> nameservers;
  std::vector<std::string> search;
};

// `version` is the list's, `where` begins the messages.
[[nodiscard]] sdk::Result<PluginResult> parse_result(std::string_view text,
                                                     const std::string& version,
                                                     const std::string& where,
                                                     Bounds bounds = kOthers);

}  // namespace berth::runtime::cni
