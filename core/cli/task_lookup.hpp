// SPDX-License-Identifier: Apache-2.0
// Finding tasks the way a person names them: by id, by a unique beginning of one, or by ARN.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "core/cli/api_client.hpp"
#include "core/cli/commands.hpp"

namespace berth::cli {

// The task's id or ARN as the API takes it. Errors: NotFound; Invalid where several tasks begin so.
[[nodiscard]] Result<std::string> find_task(ApiClient& api, const Context& context,
                                            const std::string& name);

// `context`, with the cluster that the task's ARN names where the caller names none.
[[nodiscard]] Context context_for(const Context& context, const std::string& name);

// What to say where a full id or ARN names no task; find_task does not look for those.
[[nodiscard]] Error no_such_task(const std::string& name);

// ARNs of all tasks with this desiredStatus ("RUNNING", "STOPPED").
[[nodiscard]] Result<std::vector<std::string>> task_arns(ApiClient& api, const Context& context,
                                                         const std::string& desired_status);

// Descriptions in the order of `arns`; what has gone meanwhile is left out.
[[nodiscard]] Result<std::vector<boost::json::object>> describe_tasks(
    ApiClient& api, const Context& context, const std::vector<std::string>& arns);

// An input object with the cluster filled in where one is named.
[[nodiscard]] boost::json::object input_for(const Context& context);

}  // namespace berth::cli
