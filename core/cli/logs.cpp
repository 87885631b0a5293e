// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/log_stream.hpp"
#include "core/cli/request_signature.hpp"
#include "core/cli/since.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {
namespace {

// Lines as the containers wrote them. A long one comes in parts: these are put together again, and
// where another container writes in between, on a line of its own.
class LinePrinter {
 public:
  LinePrinter(bool name_containers, bool timestamps)
      : name_containers_(name_containers), timestamps_(timestamps) {}

  void print(const boost::json::object& record) {
    const std::string stream = text_of(record, "stream");
    const std::string writer = text_of(record, "container") + " " + stream;
    std::FILE* out = stream == "stderr" ? stderr : stdout;
    std::string line;
    if (writer != open_) {
      if (!open_.empty() && out == open_file_) line += '\n';
      if (timestamps_) line += text_of(record, "time") + " ";
      if (name_containers_) line += text_of(record, "container") + " | ";
    }
    line += text_of(record, "log");
    const auto* partial = record.if_contains("partial");
    const bool more = partial && partial->is_bool() && partial->as_bool();
    if (!more) line += '\n';
    open_ = more ? writer : "";
    open_file_ = out;
    std::fwrite(line.data(), 1, line.size(), out);
    std::fflush(out);
  }

 private:
  const bool name_containers_;
  const bool timestamps_;
  std::string open_;  // whose line has not ended yet
  std::FILE* open_file_ = nullptr;
};

}  // namespace

Result<void> print_logs(ApiClient& api, const Context& context, const LogsOptions& options,
                        bool name_containers) {
  QueryParameters query{{"task", options.task}};
  if (!context.cluster.empty()) query.emplace_back("cluster", context.cluster);
  for (const auto& container : options.containers) query.emplace_back("container", container);
  if (options.follow) query.emplace_back("follow", "true");
  if (options.tail) query.emplace_back("tail", std::to_string(*options.tail));
  if (!options.since.empty()) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto since = seconds_since_epoch(options.since, now);
    if (!since) return tl::unexpected(since.error());
    query.emplace_back("since", *since);
  }
  // curl signs a query as it stands, and signatures are of sorted ones.
  std::ranges::sort(query);
  std::string failure;
  LinePrinter printer(name_containers, options.timestamps);
  auto streamed = api.stream("/berth/v1/logs?" + query_text(query), [&](std::string_view line) {
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
      printer.print(record);
    }
    return true;
  });
  if (streamed && !failure.empty()) return fail(Errc::Unavailable, failure);
  return streamed;
}

int show_logs(const Context& given, const LogsOptions& options) {
  const Context context = context_for(given, options.task);
  ApiClient api(context.api);
  const auto task = find_task(api, context, options.task);
  if (!task) return complain(task.error());
  const auto described = describe_tasks(api, context, {*task});
  if (!described) return complain(described.error());
  if (described->empty()) return complain(no_such_task(options.task));
  LogsOptions exact = options;
  exact.task = *task;
  const bool several =
      list_of(described->front(), "containers").size() > 1 && options.containers.size() != 1;
  const auto printed = print_logs(api, context, exact, several);
  return printed ? 0 : complain(printed.error());
}

}  // namespace berth::cli
