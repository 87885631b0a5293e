// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <iostream>

#include "core/cli/child_process.hpp"
#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/local_stack.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/task_watch.hpp"

namespace berth::cli {
namespace {

struct Stopped {
  int tasks = 0;
  int away = 0;  // of these, on hosts that are not connected: they end once their agents are back
};

// Waits until the task has stopped, or there is nobody to stop it now.
Result<bool> wait_while_reachable(ApiClient& api, const Context& context, const std::string& task) {
  const auto last = watch_task(api, context, task, [](const TaskChange& change) {
    return text_of(change.task, "lastStatus") != "STOPPED" &&
           text_of(change.task, "connectivity") != "DISCONNECTED";
  });
  if (!last) return tl::unexpected(last.error());
  return text_of(*last, "lastStatus") == "STOPPED";
}

// Stops every task of every cluster; waits for their ends unless there is no agent to tell of them.
Result<Stopped> stop_all(ApiClient& api, bool wait) {
  Stopped stopped;
  const auto clusters = api.call("ListClusters", {});
  if (!clusters) return tl::unexpected(clusters.error());
  for (const auto& cluster : list_of(*clusters, "clusterArns")) {
    Context context;
    context.cluster = tail_of(std::string(cluster.as_string()));
    const auto arns = task_arns(api, context, "RUNNING");
    if (!arns) return tl::unexpected(arns.error());
    if (!arns->empty()) {
      std::cerr << "stopping " << arns->size() << (arns->size() == 1 ? " task" : " tasks")
                << " of the cluster " << context.cluster << '\n';
    }
    for (const auto& arn : *arns) {
      boost::json::object input = input_for(context);
      input["task"] = arn;
      input["reason"] = "berth down";
      if (const auto answer = api.call("StopTask", input); !answer) {
        return tl::unexpected(answer.error());
      }
      ++stopped.tasks;
    }
    const auto ending = task_arns(api, context, "STOPPED");
    if (!ending) return tl::unexpected(ending.error());
    const auto tasks = describe_tasks(api, context, *ending);
    if (!tasks) return tl::unexpected(tasks.error());
    for (const auto& task : *tasks) {
      if (text_of(task, "lastStatus") == "STOPPED") continue;
      if (!wait) {
        ++stopped.away;
        continue;
      }
      const auto ended = wait_while_reachable(api, context, text_of(task, "taskArn"));
      if (!ended) return tl::unexpected(ended.error());
      if (!*ended) ++stopped.away;
    }
  }
  return stopped;
}

void describe(const LocalStack& stack, const Stopped& stopped) {
  std::cout << boost::json::serialize(boost::json::object{{"data_dir", stack.data_dir().string()},
                                                          {"stopped_tasks", stopped.tasks},
                                                          {"tasks_on_hosts_away", stopped.away}})
            << '\n';
}

// Services answer a stopped task by a new one, unless they rest. What others start meanwhile is
// found by looking again.
Result<Stopped> stop_all_for_good(ApiClient& api, bool wait) {
  if (const auto rest = api.call("Berth.RestServices", {}); !rest) {
    return tl::unexpected(rest.error());
  }
  constexpr int kLooks = 4;
  Stopped sum;
  for (int i = 0; i < kLooks; ++i) {
    const auto stopped = stop_all(api, wait);
    if (!stopped) return stopped;
    sum.tasks += stopped->tasks;
    sum.away = stopped->away;
    if (stopped->tasks == 0) break;
  }
  return sum;
}

void end_programs(const LocalStack& stack) {
  constexpr std::chrono::seconds kPatience{30};
  if (const auto pid = stack.agent()) end_process(*pid, kPatience);
  if (const auto pid = stack.control_plane()) end_process(*pid, kPatience);
}

// Where the agent cannot start, the rest ends all the same. Its bridge and cgroups stay: tasks may
// still run in them.
int end_without_agent(const Context& context, const LocalStack& stack, ApiClient& api,
                      const Error& reason) {
  Error told = reason;
  told.message = "this host's agent cannot start: " + reason.message;
  complain(told);
  const auto stopped = stop_all_for_good(api, false);
  if (!stopped) complain(stopped.error());
  end_programs(stack);
  if (stopped && context.json) describe(stack, *stopped);
  std::cerr << "berth: the control plane is ended";
  if (!stopped || stopped->away > 0) {
    std::cerr
        << "; tasks of this host that run still are stopped by `berth down` once that is mended";
  }
  std::cerr << '\n';
  return 1;
}

}  // namespace

int stop_stack(const Context& context, const DownOptions& options) {
  UpOptions same;
  same.data_dir = options.data_dir;
  same.config = options.config;
  if (::geteuid() != 0) {
    return complain({Errc::Denied,
                     "run it as root: it ends programs and tasks that root has started",
                     Subject::None,
                     {},
                     {}});
  }
  auto stack = LocalStack::of(same);
  if (!stack) return complain(stack.error());
  if (!stack->exists()) {
    if (context.json) {
      describe(*stack, {});
    } else {
      std::cout << "nothing was started in " << stack->data_dir().string() << '\n';
    }
    return 0;
  }
  // Tasks outlive both programs: what is not running is started once more to stop them.
  const bool was_down = !stack->control_plane() && !stack->agent();
  if (!stack->control_plane()) stack->keep_port();
  if (auto up = stack->start_control_plane(true, LocalStack::Services::Rest); !up) {
    return complain(up.error());
  }
  const auto agent = stack->start_agent(true);
  const auto endpoint = stack->api();
  if (!endpoint) return complain(endpoint.error());
  ApiOptions signing = *endpoint;
  if (!context.api.ca_file.empty()) {
    signing.ca_file = context.api.ca_file;
    signing.own_certificate = false;
  }
  ApiClient api(signing);
  if (!agent) return end_without_agent(context, *stack, api, agent.error());
  const auto stopped = stop_all_for_good(api, true);
  if (!stopped) return complain(stopped.error());
  end_programs(*stack);
  const auto swept = output_of({(program_dir() / "berth-agent").string(), "--config",
                                stack->agent_config().string(), "--remove-leftovers"});
  if (!swept) return complain(swept.error());
  if (context.json) {
    describe(*stack, *stopped);
  } else if (was_down && stopped->tasks == 0) {
    std::cout << "nothing ran in " << stack->data_dir().string() << '\n';
  } else {
    std::cout << "stopped " << stopped->tasks << " task" << (stopped->tasks == 1 ? "" : "s")
              << ", the agent and the control plane; " << stack->data_dir().string()
              << " keeps their records\n";
    if (stopped->away > 0) {
      std::cout << stopped->away
                << " of them on hosts that are not connected: they end once `berth up` and their "
                   "agents are back\n";
    }
  }
  return 0;
}

}  // namespace berth::cli
