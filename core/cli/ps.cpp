// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/listings.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/task_table.hpp"

namespace berth::cli {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<HostNames> host_names(ApiClient& api, const Context& context) {
  const auto agents = all_pages(api, "Berth.ListAgents", input_for(context), "agents");
  if (!agents) return tl::unexpected(agents.error());
  HostNames names;
  for (const auto& item : *agents) {
    if (!item.is_object()) continue;
    const auto& agent = item.as_object();
    names[text_of(agent, "id")] = text_of(agent, "hostname");
  }
  return names;
}

}  // namespace

int list_tasks(const Context& context, const PsOptions& options) {
  ApiClient api(context.api);
  auto arns = task_arns(api, context, "RUNNING");
  if (!arns) return complain(arns.error());
  if (options.all) {
    const auto stopped = task_arns(api, context, "STOPPED");
    if (!stopped) return complain(stopped.error());
    arns->insert(arns->end(), stopped->begin(), stopped->end());
  }
  auto tasks = describe_tasks(api, context, *arns);
  if (!tasks) return complain(tasks.error());
  sort_by_age(*tasks);
  if (context.json) {
    std::cout << boost::json::serialize(boost::json::array(tasks->begin(), tasks->end())) << '\n';
    return 0;
  }
  if (options.quiet) {
    for (const auto& task : *tasks) std::cout << tail_of(text_of(task, "taskArn")) << '\n';
    return 0;
  }
  const auto hosts = host_names(api, context);
  if (!hosts) return complain(hosts.error());
  print_tasks(std::cout, *tasks, *hosts, now_seconds(), options.all);
  return 0;
}

}  // namespace berth::cli
