// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/task_watch.hpp"

namespace berth::cli {

int stop_tasks(const Context& given, const StopOptions& options) {
  ApiClient api(given.api);
  int failures = 0;
  boost::json::array stopped;
  for (const auto& name : options.tasks) {
    const Context context = context_for(given, name);
    const auto task = find_task(api, context, name);
    if (!task) {
      failures += complain(task.error());
      continue;
    }
    boost::json::object input = input_for(context);
    input["task"] = *task;
    if (!options.reason.empty()) input["reason"] = options.reason;
    auto answer = api.call("StopTask", input);
    if (!answer) {
      const auto known = describe_tasks(api, context, {*task});
      if (known && known->empty()) answer = tl::unexpected(no_such_task(name));
      failures += complain(answer.error());
      continue;
    }
    boost::json::object last = object_of(*answer, "task");
    if (options.wait) {
      auto ended = wait_until_stopped(api, context, *task);
      if (!ended) {
        failures += complain(ended.error());
        continue;
      }
      last = std::move(*ended);
    }
    if (context.json) {
      stopped.emplace_back(std::move(last));
    } else {
      std::cout << tail_of(text_of(last, "taskArn")) << '\n';
    }
  }
  if (given.json) std::cout << boost::json::serialize(stopped) << '\n';
  return failures > 0 ? 1 : 0;
}

}  // namespace berth::cli
