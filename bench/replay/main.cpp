// SPDX-License-Identifier: Apache-2.0
// berth-bench: replays traces of other clusters' tasks. `berth-bench replay --help` tells how.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "bench/replay/replay.hpp"

namespace berth::replay {
namespace {

// CLI11 keeps references to what it fills in: one object that outlives parsing.
struct Arguments {
  std::string format = "openb";
  std::string nodes;
  std::string tasks;
  std::string arrivals;
  std::string placements;
  std::string strategy = "fgd";
  std::string output = "table";
  std::int32_t levels = 100;
  std::uint64_t seed = 42;
  double load = 1.3;
  bool exhaustive = false;
};

void add_files(CLI::App& app, Arguments& a) {
  app.add_option("--format", a.format, "Of the files; openb is the one there is")
      ->check(CLI::IsMember({"openb"}))
      ->capture_default_str();
  app.add_option("--nodes", a.nodes, "CSV of the nodes, plain or gzip")->required();
  app.add_option("--tasks", a.tasks, "CSV of the tasks, plain or gzip")->required();
}

CLI::App* add_replay(CLI::App& app, Arguments& a) {
  CLI::App* out = app.add_subcommand(
      "replay", "Place a trace's tasks one by one and report how well they are packed");
  add_files(*out, a);
  CLI::Option* arrivals = out->add_option("--arrivals", a.arrivals,
                                          "Order of nodes and tasks (two lines of row numbers); "
                                          "without it both are shuffled by --seed");
  out->add_option("--strategy", a.strategy, "How a node is chosen")
      ->check(CLI::IsMember(policy_names()))
      ->capture_default_str();
  out->add_option("--levels", a.levels, "Levels of the score of fgd, bestfit and dotprod")
      ->check(CLI::Range(2, placement::Fragmentation::kMaxLevels))
      ->capture_default_str();
  out->add_option("--seed", a.seed,
                  "Of the shuffle (Berth's own, not that of the FGD study's program) and of random")
      ->capture_default_str();
  out->add_option("--load", a.load,
                  "GPUs that the shuffled tasks ask for, as a multiple of the cluster's")
      ->check(CLI::Range(0.01, 100.0))
      ->excludes(arrivals)
      ->capture_default_str();
  out->add_flag(
      "--exhaustive", a.exhaustive,
      "Not the engine: ask every node in every decision. Slow; the same answers, but random "
      "then draws node and device with equal chance");
  out->add_option("--placements", a.placements,
                  "A file to write: CSV of the columns task and node, a row for each arrival, node "
                  "empty where it was not placed");
  out->add_option("--output", a.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  return out;
}

Outcome<std::string> expected(const Arguments& a) {
  const Outcome<Trace> trace = read_openb(a.nodes, a.tasks);
  if (!trace) return tl::unexpected(trace.error());
  return expected_as_toml(*trace);
}

Outcome<std::string> run(const Arguments& a, bool levels_given) {
  const Outcome<Policy> policy = parse_policy(a.strategy);
  if (!policy) return tl::unexpected(policy.error());
  if (levels_given && !has_levels(*policy)) {
    return tl::unexpected("--levels: the strategy " + a.strategy + " has none");
  }
  const Outcome<Trace> trace = read_openb(a.nodes, a.tasks);
  if (!trace) return tl::unexpected(trace.error());
  const Outcome<Arrivals> arrivals =
      a.arrivals.empty() ? shuffled_arrivals(*trace, {.seed = a.seed, .load = a.load})
                         : read_arrivals(a.arrivals, *trace);
  if (!arrivals) return tl::unexpected(arrivals.error());
  const Strategy strategy{.policy = *policy, .levels = a.levels, .seed = a.seed};
  auto player = a.exhaustive ? exhaustive_player(*trace, arrivals->nodes, strategy)
                             : engine_player(*trace, arrivals->nodes, strategy);
  if (!player) return tl::unexpected(player.error());
  const Outline outline = replay(*trace, *arrivals, **player);
  if (!a.placements.empty()) {
    std::ofstream out(a.placements, std::ios::binary);
    out << places_as_csv(outline, *trace, *arrivals) << std::flush;
    if (!out) return tl::unexpected("--placements: '" + a.placements + "' cannot be written");
  }
  Titles titles{.strategy = a.strategy,
                .arrivals = a.arrivals.empty() ? "seed " + std::to_string(a.seed) : a.arrivals};
  if (has_levels(*policy)) titles.levels = a.levels;
  return a.output == "json" ? as_json(outline, titles) : as_table(outline, titles);
}

int bench(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Berth's trace replayer", "berth-bench");
  app.require_subcommand(1);
  CLI::App* replay = add_replay(app, arguments);
  CLI::App* expect = app.add_subcommand(
      "expected",
      "Print a trace's tasks as the [[placement.expected_task]] of berth.toml, by which the "
      "strategy fragmentation measures");
  add_files(*expect, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const Outcome<std::string> out =
      *expect ? expected(arguments) : run(arguments, replay->count("--levels") > 0);
  std::fputs(out ? out->c_str() : ("berth-bench: " + out.error() + "\n").c_str(),
             out ? stdout : stderr);
  return out ? 0 : 1;
}

}  // namespace
}  // namespace berth::replay

int main(int argc, char** argv) {
  return berth::replay::bench(argc, argv);
}
