// SPDX-License-Identifier: Apache-2.0
// What `berth` can do: one function a command, each giving the exit code of the program.
//
// Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage, 125 `run` could
// not start the container or lost the control plane while the task goes on, and where `exec` could
// not run the command or lost it; else these two give the container's or command's own. `plan`
// gives 1 where not all tasks fit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cli/api_client.hpp"

namespace berth::cli {

inline constexpr int kWrongUsage = 2;

struct Context {
  ApiOptions api;
  std::string cluster;  // empty: the default one
  bool json = false;    // --output json
};

struct RunOptions {
  std::string image;
  std::string task_definition;  // or this one instead of an image
  std::vector<std::string> command;
  std::string entry_point;
  std::vector<std::string> environment;  // NAME=value, or NAME to take the caller's
  std::vector<std::string> publish;      // [HOST:]CONTAINER[/udp]
  std::string name;                      // of the container
  std::string network = "bridge";
  std::string user;
  std::string workdir;
  int cpu = 0;
  int memory_mib = 512;
  bool detach = false;
};
struct LogsOptions {
  std::string task;
  std::vector<std::string> containers;
  bool follow = false;
  std::optional<long> tail;
  std::string since;  // "10m", "2h", RFC 3339 or seconds since the epoch
  bool timestamps = false;
};
struct ExecOptions {
  std::string task;
  std::string container;  // empty: the only one
  std::vector<std::string> command;
  bool input = false;
  bool terminal = false;
};
struct TopOptions {
  std::vector<std::string> tasks;  // none: all of the cluster
  bool once = false;
  double interval_seconds = 2;
};
struct PsOptions {
  bool all = false;
  bool quiet = false;  // ids only
};
struct StopOptions {
  std::vector<std::string> tasks;
  std::string reason;
  bool wait = false;
};
struct PlanOptions {
  std::string definition;  // family[:revision]; or the needs of one task:
  std::optional<int> cpu;  // units
  std::optional<int> memory_mib;
  std::optional<int> gpus;
  std::vector<std::string> ports;       // of the host: PORT[/udp]
  std::vector<std::string> attributes;  // NAME[=VALUE]
  int count = 1;
  std::vector<std::string> strategies;   // TYPE[:FIELD]
  std::vector<std::string> constraints;  // an expression, or distinctInstance
  std::string launch_type;
  std::string capacity_provider;
  std::string group;
};
struct ExplainOptions {
  std::string task;   // or
  std::string group;  // what became of its last call that left tasks without a place
};
struct AgentRemoveOptions {
  std::string agent;  // id, unique beginning of one, or ARN
  bool force = false;
};
// The task by which fragmentation is measured; both at least 1.
struct PoolOptions {
  std::int64_t cpu = 256;
  std::int64_t memory = 512;  // MiB
};
struct ImagesOptions {
  std::vector<std::string> instances;   // ids, unique beginnings of ids, or ARNs; none: all
  std::string image;                    // of pull
  bool all = false;                     // pull: to all instances; prune: whatever their age
  std::optional<long> min_age_seconds;  // of prune
  std::string execution_role;           // of pull
  std::string credentials;              // of pull
};
struct UpOptions {
  std::string data_dir;
  std::string api;
  std::string config;
  bool detach = false;
};
struct DownOptions {
  std::string data_dir;
  std::string config;
};
struct DoctorOptions {
  std::string data_dir;
  std::string config;
};

int run_task(const Context& context, const RunOptions& options);
int show_logs(const Context& context, const LogsOptions& options);
int exec_command(const Context& context, const ExecOptions& options);
int show_usage(const Context& context, const TopOptions& options);
int list_tasks(const Context& context, const PsOptions& options);
int stop_tasks(const Context& context, const StopOptions& options);
int plan_tasks(const Context& context, const PlanOptions& options);
int explain_task(const Context& context, const ExplainOptions& options);
int list_plugins(const Context& context);
int list_agents(const Context& context);
int show_pools(const Context& context, const PoolOptions& options);
int remove_agent(const Context& context, const AgentRemoveOptions& options);
int list_images(const Context& context, const ImagesOptions& options);
int pull_image(const Context& context, const ImagesOptions& options);
int prune_images(const Context& context, const ImagesOptions& options);
int show_version(const Context& context);
int start_stack(const Context& context, const UpOptions& options);
int stop_stack(const Context& context, const DownOptions& options);
int examine_host(const Context& context, const DoctorOptions& options);

// Prints `berth: message` and gives 1.
int complain(const Error& error);

}  // namespace berth::cli
