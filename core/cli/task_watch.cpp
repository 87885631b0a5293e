// SPDX-License-Identifier: Apache-2.0
#include "core/cli/task_watch.hpp"

#include "core/cli/json_access.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {

Result<boost::json::object> watch_task(ApiClient& api, const Context& context,
                                       const std::string& task,
                                       const std::function<bool(const TaskChange&)>& change) {
  constexpr int kPatienceSeconds = 50;  // of one call; below what proxies and the client itself bear
  std::int64_t cursor = 0;
  for (;;) {
    boost::json::object input = input_for(context);
    input["task"] = task;
    input["cursor"] = cursor;
    input["timeoutSeconds"] = kPatienceSeconds;
    auto answer = api.call("Berth.WatchTask", input);
    if (!answer) return tl::unexpected(answer.error());
    cursor = static_cast<std::int64_t>(number_of(*answer, "cursor"));
    const auto& now = object_of(*answer, "task");
    if (!change({.task = now, .pulls = list_of(*answer, "pulls")})) return now;
  }
}

Result<boost::json::object> wait_until_stopped(ApiClient& api, const Context& context,
                                               const std::string& task) {
  return watch_task(api, context, task, [](const TaskChange& change) {
    return text_of(change.task, "lastStatus") != "STOPPED";
  });
}

}  // namespace berth::cli
