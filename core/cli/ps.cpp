// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/table.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// "web: 0.0.0.0:32768->80/tcp", as people know it.
std::string ports_of(const boost::json::object& task) {
  std::string ports;
  for (const auto& container : list_of(task, "containers")) {
    if (!container.is_object()) continue;
    for (const auto& item : list_of(container.as_object(), "networkBindings")) {
      if (!item.is_object()) continue;
      const auto& binding = item.as_object();
      ports += (ports.empty() ? "" : ", ") + text_of(binding, "bindIP") + ":" +
               std::to_string(static_cast<int>(number_of(binding, "hostPort"))) + "->" +
               std::to_string(static_cast<int>(number_of(binding, "containerPort"))) + "/" +
               text_of(binding, "protocol");
    }
  }
  return ports;
}

std::string status_of(const boost::json::object& task) {
  const std::string status = text_of(task, "lastStatus");
  const double now = now_seconds();
  if (status == "RUNNING") return status + " " + span_text(now - number_of(task, "startedAt"));
  if (status != "STOPPED") return status;
  for (const auto& container : list_of(task, "containers")) {
    if (container.is_object() && container.as_object().contains("exitCode")) {
      return "STOPPED (" +
             std::to_string(static_cast<int>(number_of(container.as_object(), "exitCode"))) + ") " +
             span_text(now - number_of(task, "stoppedAt")) + " ago";
    }
  }
  return status + " " + span_text(now - number_of(task, "stoppedAt")) + " ago";
}

std::string images_of(const boost::json::object& task) {
  std::string images;
  for (const auto& container : list_of(task, "containers")) {
    if (container.is_object()) {
      images += (images.empty() ? "" : ", ") + text_of(container.as_object(), "image");
    }
  }
  return images;
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
  const auto tasks = describe_tasks(api, context, *arns);
  if (!tasks) return complain(tasks.error());
  if (context.json) {
    std::cout << boost::json::serialize(boost::json::array(tasks->begin(), tasks->end())) << '\n';
    return 0;
  }
  Table table({"TASK", "DEFINITION", "STATUS", "CREATED", "PORTS", "IMAGE"});
  for (const auto& task : *tasks) {
    table.row({tail_of(text_of(task, "taskArn")).substr(0, 12), tail_of(text_of(task, "taskDefinitionArn")),
               status_of(task), span_text(now_seconds() - number_of(task, "createdAt")) + " ago",
               ports_of(task), images_of(task)});
  }
  table.print(std::cout);
  return 0;
}

}  // namespace berth::cli
