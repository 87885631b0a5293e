// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "core/cli/commands.hpp"
#include "core/cli/hints.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/log_stream.hpp"
#include "core/cli/pull_progress.hpp"
#include "core/cli/run_definition.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/task_watch.hpp"
#include "core/cli/terminal.hpp"

namespace berth::cli {
namespace {

constexpr int kCouldNotStart = 125;
constexpr int kLostSight = 125;  // the task goes on, and its exit code is not known here

// The definition to run: an existing one, or one registered now unless it is there already.
Result<std::string> definition_name(ApiClient& api, const RunOptions& options) {
  if (!options.task_definition.empty()) return options.task_definition;
  const auto definition = definition_for(options);
  if (!definition) return tl::unexpected(definition.error());
  const std::string family = text_of(*definition, "family");
  if (api.call("DescribeTaskDefinition", {{"taskDefinition", family}})) return family;
  const auto registered = api.call("RegisterTaskDefinition", *definition);
  if (!registered) return tl::unexpected(registered.error());
  return family;
}

std::string explain(const boost::json::array& failures) {
  std::string text = "no container instance can run it:";
  for (const auto& item : failures) {
    if (!item.is_object()) continue;
    const auto& failure = item.as_object();
    text += "\n  " + tail_of(text_of(failure, "arn")) + ": " + text_of(failure, "reason");
    if (const auto detail = text_of(failure, "detail"); !detail.empty())
      text += " (" + detail + ")";
  }
  return text;
}

Result<boost::json::object> launch(ApiClient& api, const Context& context,
                                   const std::string& definition) {
  boost::json::object input = input_for(context);
  input["taskDefinition"] = definition;
  input["startedBy"] = "berth-run";
  const auto answer = api.call("RunTask", input);
  if (!answer) return tl::unexpected(answer.error());
  const auto& tasks = list_of(*answer, "tasks");
  if (tasks.empty() || !tasks.front().is_object()) {
    return fail(Errc::NoCapacity, explain(list_of(*answer, "failures")));
  }
  return tasks.front().as_object();
}

// Whether something was piped in that nobody will read.
bool has_input() {
  struct stat input {};
  if (::fstat(STDIN_FILENO, &input) != 0) return false;
  if (S_ISREG(input.st_mode)) return input.st_size > 0;
  int waiting = 0;
  return S_ISFIFO(input.st_mode) && ::ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting > 0;
}

// Ctrl-C stops the task and goes on waiting for its end; a second one leaves at once.
void stop_on_interrupt(const Context& context, const std::string& task, const sigset_t& signals) {
  std::thread([context, task, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    const std::string id = tail_of(task);
    std::cerr << "\nberth: stopping the task; it may take until its stop timeout (30 s unless it "
                 "says otherwise). Once more leaves it to end by itself.\n";
    ApiClient api(context.api);
    boost::json::object input = input_for(context);
    input["task"] = task;
    input["reason"] = "Task stopped by user";
    if (const auto stopped = api.call("StopTask", input); !stopped) complain(stopped.error());
    sigwait(&signals, &signal);
    std::cerr << "\nberth: the task " << id << " is still stopping; `berth ps -a` shows its end\n";
    ::_exit(128 + signal);
  }).detach();
}

// The exit code of the container that ended the task: the first one with a code, failures first.
int exit_code_of(const boost::json::object& task) {
  int code = -1;
  for (const auto& item : list_of(task, "containers")) {
    if (!item.is_object() || !item.as_object().contains("exitCode")) continue;
    const int own = static_cast<int>(number_of(item.as_object(), "exitCode"));
    if (code <= 0) code = own;
  }
  return code;
}

int report_failed_start(const boost::json::object& task) {
  std::string reason = text_of(task, "stoppedReason");
  for (const auto& item : list_of(task, "containers")) {
    if (!item.is_object()) continue;
    const std::string own = text_of(item.as_object(), "reason");
    if (!own.empty() && reason.find(own) == std::string::npos) {
      reason += "\n  " + text_of(item.as_object(), "name") + ": " + own;
    }
  }
  std::cerr << "berth: the task did not start: " << reason << '\n';
  if (const std::string hint = hint_for(reason); !hint.empty()) std::cerr << "  " << hint << '\n';
  return kCouldNotStart;
}

// The control plane is gone or refuses: the task lives with its agent, so it is not over.
int lose_sight(const Error& error, const ApiClient& api, const std::string& task) {
  std::cerr << "berth: "
            << (error.code == Errc::Unavailable ? "lost the control plane at " + api.url()
                                                : error.message)
            << "\n  The task goes on. Once the control plane is back (`berth up`), `berth logs -f "
            << tail_of(task) << "` shows its output and `berth stop " << tail_of(task)
            << "` ends it.\n";
  return kLostSight;
}

int follow(ApiClient& api, const Context& context, const std::string& task) {
  PullProgress progress(std::cerr, context.json ? 0 : columns_of(STDERR_FILENO));
  const auto started = watch_task(api, context, task, [&](const TaskChange& change) {
    progress.show(change.pulls);
    const std::string status = text_of(change.task, "lastStatus");
    return status == "PROVISIONING" || status == "PENDING" || status == "ACTIVATING";
  });
  progress.end();
  if (!started) return lose_sight(started.error(), api, task);
  const bool several = list_of(*started, "containers").size() > 1;
  if (!started->contains("stopCode") || text_of(*started, "stopCode") != "TaskFailedToStart") {
    LogsOptions logs;
    logs.task = task;
    logs.follow = true;
    if (const auto printed = print_logs(api, context, logs, several); !printed) {
      if (!api.healthy()) return lose_sight(printed.error(), api, task);
      complain(printed.error());
    }
  }
  const auto ended = wait_until_stopped(api, context, task);
  if (!ended) return lose_sight(ended.error(), api, task);
  if (context.json) std::cout << boost::json::serialize(*ended) << '\n';
  const int code = exit_code_of(*ended);
  if (code < 0 || text_of(*ended, "stopCode") == "TaskFailedToStart")
    return report_failed_start(*ended);
  return code;
}

}  // namespace

int run_task(const Context& context, const RunOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  if (!options.detach) pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ApiClient api(context.api);
  const auto definition = definition_name(api, options);
  if (!definition) {
    complain(definition.error());
    return kCouldNotStart;
  }
  const auto task = launch(api, context, *definition);
  if (!task) {
    complain(task.error());
    return kCouldNotStart;
  }
  const std::string arn = text_of(*task, "taskArn");
  if (options.detach) {
    std::cout << (context.json ? boost::json::serialize(*task) : tail_of(arn)) << '\n';
    return 0;
  }
  if (has_input()) {
    std::cerr << "berth: standard input is not passed to the task; `berth exec -i " << tail_of(arn)
              << " -- COMMAND` passes it to a command there\n";
  }
  stop_on_interrupt(context, arn, signals);
  return follow(api, context, arn);
}

}  // namespace berth::cli
