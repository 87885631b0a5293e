// SPDX-License-Identifier: Apache-2.0
#include <curl/curl.h>

#include <chrono>
#include <cstdio>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/log_stream.hpp"
#include "core/cli/since.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {
namespace {

std::string escape(const std::string& text) {
  char* quoted = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string result(quoted);
  curl_free(quoted);
  return result;
}

void print_record(const boost::json::object& record, bool name_container, bool timestamps) {
  std::string line;
  if (timestamps) line += text_of(record, "time") + " ";
  if (name_container) line += text_of(record, "container") + " | ";
  line += text_of(record, "log");
  const auto* partial = record.if_contains("partial");
  if (!partial || !partial->is_bool() || !partial->as_bool()) line += '\n';
  std::FILE* out = text_of(record, "stream") == "stderr" ? stderr : stdout;
  std::fwrite(line.data(), 1, line.size(), out);
  std::fflush(out);
}

}  // namespace

Result<void> print_logs(ApiClient& api, const Context& context, const LogsOptions& options,
                        bool name_containers) {
  std::string path = "/berth/v1/logs?task=" + escape(options.task);
  if (!context.cluster.empty()) path += "&cluster=" + escape(context.cluster);
  for (const auto& container : options.containers) path += "&container=" + escape(container);
  if (options.follow) path += "&follow=true";
  if (options.tail) path += "&tail=" + std::to_string(*options.tail);
  if (!options.since.empty()) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto since = seconds_since_epoch(options.since, now);
    if (!since) return tl::unexpected(since.error());
    path += "&since=" + escape(*since);
  }
  std::string failure;
  auto streamed = api.stream(path, [&](std::string_view line) {
    boost::system::error_code ec;
    const auto value = boost::json::parse(line, ec);
    if (ec || !value.is_object()) return true;
    const auto& record = value.as_object();
    if (record.contains("error")) {
      failure = text_of(record, "error");
      return false;
    }
    if (context.json) {
      std::cout << line << std::endl;  // the API's own records, one a line
    } else {
      print_record(record, name_containers, options.timestamps);
    }
    return true;
  });
  if (streamed && !failure.empty()) return fail(Errc::Unavailable, failure);
  return streamed;
}

int show_logs(const Context& context, const LogsOptions& options) {
  ApiClient api(context.api);
  const auto task = find_task(api, context, options.task);
  if (!task) return complain(task.error());
  const auto described = describe_tasks(api, context, {*task});
  if (!described) return complain(described.error());
  if (described->empty()) return complain(no_such_task(options.task));
  LogsOptions exact = options;
  exact.task = *task;
  const bool several = list_of(described->front(), "containers").size() > 1 && options.containers.size() != 1;
  const auto printed = print_logs(api, context, exact, several);
  return printed ? 0 : complain(printed.error());
}

}  // namespace berth::cli
