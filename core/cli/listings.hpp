// SPDX-License-Identifier: Apache-2.0
// Lists of the API, whole, and what is named in them by the beginning of its id.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "core/cli/api_client.hpp"

namespace berth::cli {

// The items of `member`, of all pages. Errors: as the call's.
[[nodiscard]] Result<boost::json::array> all_pages(ApiClient& api, const std::string& operation,
                                                   boost::json::object input,
                                                   const std::string& member);
// The same where they are ARNs or names.
[[nodiscard]] Result<std::vector<std::string>> all_arns(ApiClient& api,
                                                        const std::string& operation,
                                                        boost::json::object input,
                                                        const std::string& member);

// Of things of a kind: how messages call one, several, and where they are listed.
struct Kind {
  const char* one;      // "agent"
  const char* several;  // "agents"
  const char* listed;   // "`berth agent list`"
};

// The one of `arns` (ARNs or ids) whose id is or begins with `name`, an id or an ARN.
// Errors: NotFound; Invalid where several do.
[[nodiscard]] Result<std::string> find_by_beginning(const std::vector<std::string>& arns,
                                                    const std::string& name, const Kind& kind);

}  // namespace berth::cli
