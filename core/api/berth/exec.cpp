// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/exec.hpp"

#include <algorithm>
#include <charconv>

#include "core/api/berth/exec_conversation.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/model/exec_frames.hpp"

namespace berth::api {
namespace {

struct ExecRequest {
  std::string cluster;
  bool has_cluster = false;
  std::string task;
  ExecQuery query;
};

tl::unexpected<Error> invalid(const std::string& text, const std::string& name) {
  return fail(Errc::Invalid, text, Subject::Request, name);
}

Result<bool> read_flag(const std::string& name, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return invalid(name + " should be one of [true,false]", name);
}

Result<std::uint16_t> read_size(const std::string& name, const std::string& value) {
  std::uint16_t size = 0;
  const char* end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, size);
  if (read.ec != std::errc() || read.ptr != end || size == 0) {
    return invalid(name + " must be a number from 1 to 65535.", name);
  }
  return size;
}

template <typename T>
Result<void> assign(T& target, Result<T> value) {
  if (!value) return tl::unexpected(value.error());
  target = *value;
  return {};
}

Result<void> read_parameter(ExecRequest& parsed, const std::string& name,
                            const std::string& value) {
  ExecQuery& query = parsed.query;
  if (name == "terminal") return assign(query.terminal, read_flag(name, value));
  if (name == "input") return assign(query.input, read_flag(name, value));
  if (name == "rows") return assign(query.rows, read_size(name, value));
  if (name == "columns") return assign(query.columns, read_size(name, value));
  if (name == "task") {
    parsed.task = value;
  } else if (name == "cluster") {
    parsed.cluster = value;
    parsed.has_cluster = true;
  } else if (name == "container") {
    query.container = value;
  } else if (name == "command") {
    query.command.push_back(value);
  } else if (!name.starts_with("X-Amz-")) {
    return invalid("Unknown parameter '" + name + "'.", name);
  }
  return {};
}

Result<ExecRequest> parse_request(const http::Request& request) {
  ExecRequest parsed;
  for (const auto& [name, value] : http::parse_query(request.query())) {
    if (auto read = read_parameter(parsed, name, value); !read) return tl::unexpected(read.error());
  }
  if (parsed.task.empty()) return invalid("task should not be null or empty.", "task");
  if (parsed.query.command.empty() || parsed.query.command.front().empty()) {
    return invalid("command should not be null or empty.", "command");
  }
  return parsed;
}

tl::unexpected<Error> not_running(const std::string& what, std::string_view status) {
  return fail(Errc::Precondition,
              what + " is " + std::string(status) + ": a command runs only in one that is RUNNING.",
              Subject::Request, "task");
}

// Which container is meant, and whether it runs.
Result<std::string> choose_container(const Task& task, const std::string& wanted) {
  const auto& containers = task.definition->message.container_definitions();
  if (task.last_status != TaskStatus::Running) {
    return not_running("Task " + task.id.str(), to_string(task.last_status));
  }
  std::string name = wanted;
  if (name.empty() && containers.size() == 1) name = containers[0].name();
  if (name.empty()) {
    std::string names;
    for (const auto& one : containers) names += (names.empty() ? "" : ", ") + one.name();
    return invalid(
        "The task has several containers, so container must name one of them: " + names + ".",
        "container");
  }
  if (std::ranges::find(containers, name, &ecs::ContainerDefinition::name) == containers.end()) {
    return invalid("The task has no container '" + name + "'.", "container");
  }
  if (task.report == nullptr) return name;
  for (const auto& one : task.report->containers()) {
    if (one.name() == name && one.last_status() != "RUNNING") {
      return not_running("Container '" + name + "'", one.last_status());
    }
  }
  return name;
}

}  // namespace

void begin_exec(const std::shared_ptr<const Backend>& backend, ExecSource& source,
                const http::Request& request, const http::Answer& answer) {
  const Call call(backend, "", "", answer);
  auto parsed = parse_request(request);
  if (!parsed) return call.refuse(parsed.error());
  if (!request.is_upgrade()) {
    Exception exception = front_end_exception(
        "UnknownOperationException",
        "/berth/v1/exec is a websocket: the request must ask for an upgrade to one.");
    exception.status = 426;
    return call.refuse(exception);
  }
  auto cluster = cluster_of(*backend, parsed->has_cluster, parsed->cluster);
  if (!cluster) return call.refuse(cluster.error());
  auto id = id_in_cluster(parsed->task, "task", *cluster);
  if (!id) return call.refuse(id.error());
  call.query(
      [name = *cluster, id = TaskId(*id)](const control::State& state) -> Result<TaskPtr> {
        if (auto known = active_cluster(state, name); !known) return tl::unexpected(known.error());
        auto task = state.task(id);
        if (task == nullptr || task->cluster != name) {
          return fail(Errc::NotFound, "The referenced task was not found.", Subject::Task,
                      id.str());
        }
        return task;
      },
      [&source, query = std::move(parsed->query), answer](const Call& found, TaskPtr task) {
        auto container = choose_container(*task, query.container);
        if (!container) return found.refuse(container.error());
        ExecQuery full = query;
        full.container = std::move(*container);
        full.task = std::move(task);
        http::Response response;
        response.status = 101;
        response.conversation = std::make_shared<ExecConversation>(source, std::move(full));
        response.subprotocol = exec::kSubprotocol;
        response.message_bytes = exec::kMessageMax;
        answer(std::move(response));
      });
}

void execute_command(const Call& call) {
  call.refuse(unsupported(
      "ExecuteCommand needs the session protocol of AWS Systems Manager (SSM), which this version "
      "of Berth does not "
      "speak. Use `berth exec TASK -- COMMAND` instead; it does not need enableExecuteCommand."));
}

}  // namespace berth::api
