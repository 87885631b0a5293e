// SPDX-License-Identifier: Apache-2.0
// Following one task through its changes, without polling: each call is answered by the next change.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>

#include "core/cli/api_client.hpp"
#include "core/cli/commands.hpp"

namespace berth::cli {

// One change: the task as DescribeTasks shows it, and what is being pulled.
struct TaskChange {
  const boost::json::object& task;
  const boost::json::array& pulls;
};

// Calls `change` for the present state and every later one until it returns false; gives the last task.
[[nodiscard]] Result<boost::json::object> watch_task(
    ApiClient& api, const Context& context, const std::string& task,
    const std::function<bool(const TaskChange&)>& change);

[[nodiscard]] Result<boost::json::object> wait_until_stopped(ApiClient& api, const Context& context,
                                                             const std::string& task);

}  // namespace berth::cli
