// SPDX-License-Identifier: Apache-2.0
#include "core/cli/task_table.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "core/cli/json_access.hpp"
#include "core/cli/table.hpp"

namespace berth::cli {
namespace {

constexpr std::size_t kShownOfId = 12;

std::string whole(const boost::json::object& object, std::string_view key) {
  return std::to_string(static_cast<long>(number_of(object, key)));
}

// "0.0.0.0:32768->80/tcp", as people know it. Those of a stopped task are others' by now.
std::string ports_of(const boost::json::object& task) {
  std::string ports;
  if (text_of(task, "lastStatus") == "STOPPED") return ports;
  for (const auto& container : list_of(task, "containers")) {
    if (!container.is_object()) continue;
    for (const auto& item : list_of(container.as_object(), "networkBindings")) {
      if (!item.is_object()) continue;
      const auto& binding = item.as_object();
      ports += (ports.empty() ? "" : ", ") + text_of(binding, "bindIP") + ":" +
               whole(binding, "hostPort") + "->" + whole(binding, "containerPort") + "/" +
               text_of(binding, "protocol");
    }
  }
  return ports;
}

std::string exit_code_of(const boost::json::object& task) {
  for (const auto& container : list_of(task, "containers")) {
    if (container.is_object() && container.as_object().contains("exitCode")) {
      return " (" + whole(container.as_object(), "exitCode") + ")";
    }
  }
  return "";
}

std::string status_of(const boost::json::object& task, double now) {
  const std::string status = text_of(task, "lastStatus");
  const std::string health = text_of(task, "healthStatus");
  if (status == "RUNNING") {
    return status + " " + span_text(now - number_of(task, "startedAt")) +
           (health.empty() || health == "UNKNOWN" ? "" : " (" + health + ")");
  }
  if (status != "STOPPED") return status;
  return status + exit_code_of(task) + " " + span_text(now - number_of(task, "stoppedAt")) + " ago";
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

// "service:web", or what the caller gave; not the one that follows from the definition.
std::string group_of(const boost::json::object& task, const std::string& definition) {
  const std::string group = text_of(task, "group");
  return group == "family:" + definition.substr(0, definition.rfind(':')) ? "" : group;
}

std::string host_of(const boost::json::object& task, const HostNames& hosts) {
  const std::string instance = tail_of(text_of(task, "containerInstanceArn"));
  const auto known = hosts.find(instance);
  return known != hosts.end() && !known->second.empty() ? known->second
                                                        : instance.substr(0, kShownOfId);
}

}  // namespace

void sort_by_age(std::vector<boost::json::object>& tasks) {
  std::stable_sort(tasks.begin(), tasks.end(), [](const auto& one, const auto& other) {
    return number_of(one, "createdAt") > number_of(other, "createdAt");
  });
}

void print_tasks(std::ostream& out, const std::vector<boost::json::object>& tasks,
                 const HostNames& hosts, double now, bool reasons) {
  std::vector<std::string> heads{"TASK",   "DEFINITION", "GROUP", "HOST",
                                 "STATUS", "CREATED",    "PORTS", "IMAGE"};
  if (reasons) heads.emplace_back("WHY STOPPED");
  Table table(std::move(heads));
  for (const auto& task : tasks) {
    const std::string definition = tail_of(text_of(task, "taskDefinitionArn"));
    std::vector<std::string> cells{tail_of(text_of(task, "taskArn")).substr(0, kShownOfId),
                                   definition,
                                   group_of(task, definition),
                                   host_of(task, hosts),
                                   status_of(task, now),
                                   span_text(now - number_of(task, "createdAt")) + " ago",
                                   ports_of(task),
                                   images_of(task)};
    if (reasons) cells.push_back(text_of(task, "stoppedReason"));
    table.row(std::move(cells));
  }
  table.print(out);
}

}  // namespace berth::cli
