// SPDX-License-Identifier: Apache-2.0
// berth: the command line of Berth.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "core/cli/commands.hpp"

namespace berth::cli {

namespace {

// CLI11 keeps references to what it fills in: one object that outlives parsing.
struct Arguments {
  Context context;
  bool api_named = false;  // --api was given, before or after the command
  std::string output = "table";
  RunOptions run;
  LogsOptions logs;
  long tail = -1;
  ExecOptions exec;
  TopOptions top;
  PsOptions ps;
  StopOptions stop;
  PlanOptions plan;
  ExplainOptions explain;
  AgentRemoveOptions agent_remove;
  PoolOptions pool;
  ImagesOptions images;
  long min_age = -1;
  UpOptions up;
  DownOptions down;
  DoctorOptions doctor;
};

// What a number must be, in words; a range of CLI11's shows its bounds with 300 digits.
CLI::Validator at_least(long least) {
  return CLI::Validator(
      [least](const std::string& text) -> std::string {
        long value = 0;
        if (!CLI::detail::lexical_cast(text, value)) return {};  // the option says it itself
        if (value >= least) return {};
        return least == 0 ? "must not be negative" : "must be at least " + std::to_string(least);
      },
      "");
}

void add_stack_commands(CLI::App& app, Arguments& a, int& code) {
  auto* up = app.add_subcommand(
      "up", "Start a control plane and this host's agent (whichever of them is not running)");
  up->add_option("--data-dir", a.up.data_dir,
                 "Where records, images and logs live (/var/lib/berth)");
  up->add_option("--api", a.up.api,
                 "HOST:PORT of the API (127.0.0.1:5080; port 0 takes a free one)");
  up->add_option("--config", a.up.config,
                 "Configuration file (/etc/berth/berth.toml where it exists)");
  up->add_flag("-d,--detach", a.up.detach, "Return once both are serving");
  up->callback([&] {
    // `berth --api X up` means the same, and a URL is no place to listen at.
    if (a.api_named && a.up.api.empty()) a.up.api = a.context.api.url;
    if (a.up.api.find("://") != std::string::npos) {
      throw CLI::ValidationError("up: --api takes HOST:PORT to listen at, not a URL");
    }
    code = start_stack(a.context, a.up);
  });

  auto* down = app.add_subcommand("down", "Stop all tasks, the agent and the control plane");
  down->add_option("--data-dir", a.down.data_dir, "As of `berth up`");
  down->add_option("--config", a.down.config, "As of `berth up`");
  down->callback([&] {
    if (a.api_named) {
      throw CLI::ValidationError("down: --api names no stack; say --data-dir");
    }
    code = stop_stack(a.context, a.down);
  });

  auto* doctor = app.add_subcommand("doctor", "Say what this host lacks, and how to mend it");
  doctor->add_option("--data-dir", a.doctor.data_dir, "As of `berth up`");
  doctor->add_option("--config", a.doctor.config, "As of `berth up`");
  doctor->callback([&] { code = examine_host(a.context, a.doctor); });
}

void add_run_options(CLI::App& run, RunOptions& options) {
  auto* definition = run.add_option("--task-definition", options.task_definition,
                                    "Run this family[:revision] as it is, instead of an image");
  const std::vector<CLI::Option*> of_images{
      run.add_option("-p,--publish", options.publish,
                     "[HOST:]CONTAINER[/udp]; without HOST a free port is taken")
          ->allow_extra_args(false),
      run.add_option("-e,--env", options.environment, "NAME=value, or NAME to pass on your own")
          ->allow_extra_args(false),
      run.add_option("--entrypoint", options.entry_point, "Program in place of the image's"),
      run.add_option("--name", options.name, "Name of the container"),
      run.add_option("--network", options.network, "bridge, host or none")
          ->check(CLI::IsMember({"bridge", "host", "none"}))
          ->capture_default_str(),
      run.add_option("-u,--user", options.user, "USER[:GROUP], names or numbers"),
      run.add_option("-w,--workdir", options.workdir, "Working directory"),
      run.add_option("--cpu", options.cpu, "CPU units; 1024 are one vCPU")->check(at_least(0)),
      run.add_option("--memory", options.memory_mib, "Memory limit in MiB, at least 4")
          ->check(at_least(4))
          ->capture_default_str()};
  for (CLI::Option* option : of_images) option->excludes(definition);
  run.add_flag("-d,--detach", options.detach, "Print the task's id and return");
}

void add_run(CLI::App& app, Arguments& a, int& code) {
  auto* run = app.add_subcommand(
      "run",
      "Run one container as a task, show its output, end with its exit code\n"
      "(125: it did not start, or the control plane was lost and the task goes on).\n"
      "Ctrl-C stops the task and waits for its end; a second one leaves at once (130).\n"
      "Standard input is not passed on: `berth exec -it TASK` talks to a container.\n"
      "Its definition stays on record as the family run-IMAGE-HASH; the next run that is alike "
      "uses it again.");
  run->add_option("image", a.run.image, "Image reference, e.g. 127.0.0.1:5000/web:1");
  run->add_option("command", a.run.command, "Command in place of the image's, after --");
  add_run_options(*run, a.run);
  run->callback([&a, &code] {
    if (a.run.image.empty() && a.run.task_definition.empty()) {
      throw CLI::ValidationError("give either an IMAGE or --task-definition");
    }
    if (!a.run.image.empty() && !a.run.task_definition.empty()) {
      throw CLI::ValidationError(
          "with --task-definition neither an IMAGE nor a command may be "
          "given: the definition says both");
    }
    code = run_task(a.context, a.run);
  });
}

void add_exec_and_top(CLI::App& app, Arguments& a, int& code) {
  auto* exec = app.add_subcommand(
      "exec",
      "Run a command in a container of a running task, end with its exit code\n"
      "(125: it did not run, or the control plane was lost and the command is ended).\n"
      "Without -t, Ctrl-C and SIGTERM go to the command. When berth ends, the command does.");
  exec->add_option("task", a.exec.task, "Id, unique beginning of an id, or ARN")->required();
  exec->add_option("command", a.exec.command, "The command and its arguments, after --")
      ->required();
  exec->add_option("-c,--container", a.exec.container,
                   "Which container, where the task has several");
  exec->add_flag("-i,--interactive", a.exec.input, "Pass standard input on");
  exec->add_flag("-t,--tty", a.exec.terminal, "Give the command a terminal");
  exec->callback([&] { code = exec_command(a.context, a.exec); });

  auto* top = app.add_subcommand("top", "Show what the containers of running tasks use");
  top->add_option("tasks", a.top.tasks, "Only these: ids, unique beginnings of ids, or ARNs");
  top->add_flag("--once", a.top.once,
                "Once, over one interval; so also where stdout is no terminal");
  top->add_option("--interval", a.top.interval_seconds, "Seconds between two looks")
      ->check(CLI::Range(0.2, 3600.0))
      ->capture_default_str();
  top->callback([&] { code = show_usage(a.context, a.top); });
}

void add_task_commands(CLI::App& app, Arguments& a, int& code) {
  add_run(app, a, code);
  add_exec_and_top(app, a, code);
  auto* stop = app.add_subcommand("stop", "Stop tasks");
  stop->add_option("tasks", a.stop.tasks, "Ids, unique beginnings of ids, or ARNs")->required();
  stop->add_option("--reason", a.stop.reason, "Shown as the task's stoppedReason");
  stop->add_flag("--wait", a.stop.wait, "Return once they have stopped");
  stop->callback([&] { code = stop_tasks(a.context, a.stop); });

  auto* ps = app.add_subcommand("ps", "List tasks, the newest first");
  ps->add_flag("-a,--all", a.ps.all, "Also those that have stopped");
  ps->add_flag("-q,--quiet", a.ps.quiet, "Only their ids, one a line");
  ps->callback([&] { code = list_tasks(a.context, a.ps); });

  auto* logs = app.add_subcommand("logs", "Show what a task's containers have written");
  logs->add_option("task", a.logs.task, "Id, unique beginning of an id, or ARN")->required();
  logs->add_flag("-f,--follow", a.logs.follow, "Go on until the task has stopped");
  logs->add_option("-c,--container", a.logs.containers, "Only this container; may be repeated")
      ->allow_extra_args(false);
  logs->add_option("--since", a.logs.since, "90s, 10m, 2h, 1d, or a time in RFC 3339");
  logs->add_option("--tail", a.tail, "Only the last N lines of each container")->check(at_least(0));
  logs->add_flag("-t,--timestamps", a.logs.timestamps, "Put the time before each line");
  logs->callback([&] {
    if (a.tail >= 0) a.logs.tail = a.tail;
    code = show_logs(a.context, a.logs);
  });
}

void add_placement_commands(CLI::App& app, Arguments& a, int& code) {
  auto* plan = app.add_subcommand(
      "plan",
      "Say where tasks would go, and what refuses those that fit nowhere; nothing is reserved.\n"
      "Exit code 0 where all fit, 1 where not.");
  plan->add_option("definition", a.plan.definition,
                   "Task definition, family[:revision]; or say what one task needs:");
  plan->add_option("--cpu", a.plan.cpu, "CPU units; 1024 are one vCPU")->check(at_least(0));
  plan->add_option("--memory", a.plan.memory_mib, "MiB")->check(at_least(0));
  plan->add_option("--gpus", a.plan.gpus, "Whole GPUs")->check(at_least(0));
  plan->add_option("--port", a.plan.ports, "Fixed host port, PORT[/udp]; may be repeated")
      ->allow_extra_args(false);
  plan->add_option("--attribute", a.plan.attributes,
                   "NAME[=VALUE] that the instance must have; may be repeated")
      ->allow_extra_args(false);
  plan->add_option("-n,--count", a.plan.count, "How many tasks, up to 10000")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  plan->add_option("--strategy", a.plan.strategies,
                   "TYPE[:FIELD], e.g. spread:attribute:ecs.availability-zone, spread:instanceId, "
                   "binpack:memory, random; repeated for a chain")
      ->allow_extra_args(false);
  plan->add_option("--constraint", a.plan.constraints,
                   "Expression, e.g. 'attribute:ecs.instance-type =~ c5.*', or distinctInstance; "
                   "may be repeated")
      ->allow_extra_args(false);
  plan->add_option("--launch-type", a.plan.launch_type, "EC2 (default), FARGATE or EXTERNAL");
  plan->add_option("--capacity-provider", a.plan.capacity_provider, "In place of a launch type");
  plan->add_option("--group", a.plan.group, "Task group (family:NAME)");
  plan->callback([&] { code = plan_tasks(a.context, a.plan); });

  auto* explain =
      app.add_subcommand("explain", "Say why a task is where it is, or why tasks found no place");
  explain->add_option("task", a.explain.task, "Id, unique beginning of an id, or ARN");
  explain->add_option("--group", a.explain.group,
                      "In place of a task: the last call of this group that left tasks without a "
                      "place, e.g. family:web");
  explain->callback([&a, &code] {
    if (a.explain.task.empty() == a.explain.group.empty()) {
      throw CLI::ValidationError("give either a TASK or --group");
    }
    code = explain_task(a.context, a.explain);
  });
}

void add_agent_commands(CLI::App& app, Arguments& a, int& code) {
  auto* agent = app.add_subcommand("agent", "Hosts that have joined");
  agent->require_subcommand(1);
  agent->add_subcommand("list", "List them, of all clusters or of --cluster")->callback([&] {
    code = list_agents(a.context);
  });
  auto* remove = agent->add_subcommand(
      "remove",
      "Deregister a host: its certificate is revoked at once and for ever, and its agent ends");
  remove->add_option("agent", a.agent_remove.agent, "Id, unique beginning of an id, or ARN")
      ->required();
  remove->add_flag("--force", a.agent_remove.force,
                   "Also where tasks run on it; they count as stopped, and its agent stops them");
  remove->callback([&] { code = remove_agent(a.context, a.agent_remove); });
}

void add_pool_command(CLI::App& app, Arguments& a, int& code) {
  auto* pool = app.add_subcommand(
      "pool",
      "Pools of hosts that are no container instances: capacity, tasks, and how much of what is "
      "free tasks can have; of all clusters or of --cluster");
  pool->add_option("--cpu", a.pool.cpu, "Units of the task by which that is measured (256)")
      ->check(CLI::PositiveNumber);
  pool->add_option("--memory", a.pool.memory, "MiB of that task (512)")->check(CLI::PositiveNumber);
  pool->callback([&] { code = show_pools(a.context, a.pool); });
}

void add_instances(CLI::App& command, Arguments& a) {
  command
      .add_option("--instance", a.images.instances,
                  "Only this container instance: id, unique beginning of one, or ARN; may be "
                  "repeated")
      ->allow_extra_args(false);
}

void add_image_commands(CLI::App& app, Arguments& a, int& code) {
  auto* images = app.add_subcommand(
      "images", "List the images that container instances keep, and which tasks use them");
  images->require_subcommand(0, 1);
  add_instances(*images, a);

  auto* pull = images->add_subcommand(
      "pull",
      "Pull an image to container instances before tasks ask for it. It goes on there if berth is "
      "ended.");
  pull->add_option("image", a.images.image, "Image reference")->required();
  add_instances(*pull, a);
  pull->add_flag("--all", a.images.all, "To all container instances of the cluster");
  pull->add_option("--execution-role", a.images.execution_role,
                   "ARN of the role whose credentials registries are asked with, as of a task");
  pull->add_option("--credentials", a.images.credentials,
                   "Secret with the registry's credentials, as repositoryCredentials names it");
  pull->callback([&a, &code] {
    if (a.images.all && !a.images.instances.empty()) {
      throw CLI::ValidationError("give either --instance or --all");
    }
    code = pull_image(a.context, a.images);
  });

  auto* prune = images->add_subcommand(
      "prune",
      "Remove images that no task uses and that have not been used for as long as the agent's "
      "image_minimum_age_seconds");
  add_instances(*prune, a);
  auto* all = prune->add_flag("--all", a.images.all, "However short ago they were used");
  prune
      ->add_option("--age", a.min_age,
                   "Not used for so long, in place of the agent's: 90s, 10m, 2h, 1d")
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, long>{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}},
          static_cast<CLI::AsNumberWithUnit::Options>(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                                      CLI::AsNumberWithUnit::UNIT_REQUIRED)))
      ->check(CLI::Range(0L, 2'000'000'000L))
      ->excludes(all);
  prune->callback([&a, &code] {
    if (a.min_age >= 0) a.images.min_age_seconds = a.min_age;
    code = prune_images(a.context, a.images);
  });
  images->callback([images, &a, &code] {
    if (images->get_subcommands().empty()) code = list_images(a.context, a.images);
  });
}

}  // namespace
}  // namespace berth::cli

int main(int argc, char** argv) {
  using namespace berth::cli;
  Arguments a;
  int code = 0;
  CLI::App app("Berth: an Amazon-ECS-compatible container orchestrator", "berth");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("-V,--version", std::string("berth ") + BERTH_VERSION);
  if (const char* url = std::getenv("BERTH_API"); url && *url) a.context.api.url = url;
  const auto* api = app.add_option("--api", a.context.api.url,
                                   "URL of the API, or HOST:PORT; else BERTH_API says it")
                        ->capture_default_str();
  app.add_option("--cluster", a.context.cluster, "Cluster (default)")->envname("BERTH_CLUSTER");
  app.add_option("--region", a.context.api.region, "Region to sign for")->capture_default_str();
  app.add_option("--ca", a.context.api.ca_file, "CA certificates to trust for https")
      ->envname("BERTH_CA");
  app.add_option("--output", a.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  add_stack_commands(app, a, code);
  add_task_commands(app, a, code);
  add_placement_commands(app, a, code);
  add_agent_commands(app, a, code);
  add_pool_command(app, a, code);
  add_image_commands(app, a, code);
  auto* plugin = app.add_subcommand("plugin", "Plugins of the control plane");
  plugin->require_subcommand(1);
  plugin->add_subcommand("list", "List them with what they serve")->callback([&] {
    code = list_plugins(a.context);
  });
  app.add_subcommand("version", "Show the versions of this program and of the control plane")
      ->callback([&] { code = show_version(a.context); });
  app.parse_complete_callback([&] {
    a.context.json = a.output == "json";
    a.api_named = api->count() > 0;
    if (a.api_named && app.got_subcommand("up")) return;
    if (a.context.api.url.find("://") == std::string::npos)
      a.context.api.url = "http://" + a.context.api.url;
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}
