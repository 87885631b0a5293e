// SPDX-License-Identifier: Apache-2.0
#include "core/cli/task_lookup.hpp"

#include <string_view>

#include "core/cli/json_access.hpp"
#include "core/cli/listings.hpp"

namespace berth::cli {

boost::json::object input_for(const Context& context) {
  boost::json::object input;
  if (!context.cluster.empty()) input["cluster"] = context.cluster;
  return input;
}

Context context_for(const Context& context, const std::string& name) {
  Context out = context;
  if (!out.cluster.empty() || !name.starts_with("arn:")) return out;
  constexpr std::string_view kKind = ":task/";
  const auto begin = name.find(kKind);
  if (begin == std::string::npos) return out;
  const std::string rest = name.substr(begin + kKind.size());
  if (const auto slash = rest.find('/'); slash != std::string::npos)
    out.cluster = rest.substr(0, slash);
  return out;
}

Result<std::vector<std::string>> task_arns(ApiClient& api, const Context& context,
                                           const std::string& desired_status) {
  boost::json::object input = input_for(context);
  input["desiredStatus"] = desired_status;
  return all_arns(api, "ListTasks", std::move(input), "taskArns");
}

Result<std::vector<boost::json::object>> describe_tasks(ApiClient& api, const Context& context,
                                                        const std::vector<std::string>& arns) {
  constexpr std::size_t kAtOnce = 100;
  std::vector<boost::json::object> tasks;
  for (std::size_t begin = 0; begin < arns.size(); begin += kAtOnce) {
    boost::json::object input = input_for(context);
    boost::json::array names;
    for (std::size_t i = begin; i < std::min(arns.size(), begin + kAtOnce); ++i) {
      names.emplace_back(arns[i]);
    }
    input["tasks"] = std::move(names);
    const auto page = api.call("DescribeTasks", input);
    if (!page) return tl::unexpected(page.error());
    for (const auto& task : list_of(*page, "tasks")) {
      if (task.is_object()) tasks.push_back(task.as_object());
    }
  }
  return tasks;
}

Error no_such_task(const std::string& name) {
  return {Errc::NotFound,
          "there is no task " + name + ": `berth ps -a` lists them",
          Subject::Task,
          name,
          {}};
}

Result<std::string> find_task(ApiClient& api, const Context& context, const std::string& name) {
  if (name.starts_with("arn:") || name.size() == 32) return name;
  auto arns = task_arns(api, context, "RUNNING");
  if (!arns) return tl::unexpected(arns.error());
  const auto stopped = task_arns(api, context, "STOPPED");
  if (!stopped) return tl::unexpected(stopped.error());
  arns->insert(arns->end(), stopped->begin(), stopped->end());
  return find_by_beginning(*arns, name, {"task", "tasks", "`berth ps -a`"});
}

}  // namespace berth::cli
