// SPDX-License-Identifier: Apache-2.0
// sim --plugin LIB [--seed N] [--steps N] [--hosts N] [--histogram] [--demand N] | --seeds FILE |
// --defects
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "tests/sim/simulation.hpp"

namespace {

using namespace berth;

constexpr std::uint64_t kRound = 2000;  // steps between two changes of the weather
constexpr std::uint64_t kDefectSeeds = 10;
constexpr std::uint64_t kDefectSteps = 10'000;

struct Arguments {
  std::string plugin;
  std::uint64_t seed = 1;
  std::uint64_t steps = 100'000;
  std::string seeds;
  bool defects = false;
  bool histogram = false;
  int hosts = 0;
  std::uint64_t demand = 0;  // that each transition is seen so often
};

// What a long run has to reach, beside all that it happens to reach.
constexpr const char* kTransitions[] = {
    "task PENDING>RUNNING",
    "task PENDING>STOPPED",
    "task rebalanced",
    "service ACTIVE>DRAINING",
    "service DRAINING>INACTIVE",
    "rollout ROLLOUT_IN_PROGRESS>ROLLOUT_COMPLETED",
    "rollout ROLLOUT_IN_PROGRESS>ROLLOUT_FAILED",
    "role ROLE_PRIMARY>ROLE_ACTIVE",
    "role ROLE_ACTIVE>ROLE_INACTIVE",
    "role ROLE_ACTIVE>ROLE_PRIMARY",
    "deployment IN_PROGRESS>ROLLBACK_IN_PROGRESS",
    "deployment ROLLBACK_IN_PROGRESS>ROLLBACK_SUCCESSFUL",
};

enum class Output { Quiet, Lines, Histogram };

void print_histogram(const std::map<std::string, std::uint64_t>& histogram) {
  for (const auto& [what, times] : histogram) {
    std::printf("  %-48s %llu\n", what.c_str(), static_cast<unsigned long long>(times));
  }
}

// True where each transition was seen at least so often.
bool reached(std::map<std::string, std::uint64_t> histogram, std::uint64_t demand) {
  for (const char* wanted : kTransitions) histogram.try_emplace(wanted, 0);
  bool all = true;
  for (const auto& [what, times] : histogram) {
    if (times >= demand) continue;
    std::printf("%s: only %llu times\n", what.c_str(), static_cast<unsigned long long>(times));
    all = false;
  }
  return all;
}

// True where every promise held.
bool run(const sim::Options& options, std::uint64_t steps, Output output,
         std::uint64_t demand = 0) {
  const bool quiet = output == Output::Quiet;
  sim::Simulation simulation(options);
  std::uint64_t done = 0;
  try {
    while (done < steps) {
      simulation.change_weather();
      for (std::uint64_t i = 0; i < kRound && done < steps; ++i, ++done) simulation.step();
      simulation.expect_convergence();
    }
  } catch (const sim::Violation& violation) {
    if (quiet) return false;
    for (const std::string& line : simulation.history()) std::printf("  %s\n", line.c_str());
    std::printf("seed %llu, step %llu: %s\nreplay: --seed %llu --steps %llu\n",
                static_cast<unsigned long long>(options.seed),
                static_cast<unsigned long long>(done), violation.what(),
                static_cast<unsigned long long>(options.seed),
                static_cast<unsigned long long>(steps));
    return false;
  }
  const sim::Tally& tally = simulation.tally();
  if (!quiet) {
    std::printf(
        "seed %llu: %llu steps, %llu calls answered, %llu tasks placed, %llu pruned, "
        "%llu crashes, %llu plugin restarts, %llu services, %llu deployments, %llu StartTask, "
        "%llu PlanTask, %llu deregistered\n",
        static_cast<unsigned long long>(options.seed), static_cast<unsigned long long>(steps),
        static_cast<unsigned long long>(tally.runs_answered),
        static_cast<unsigned long long>(tally.tasks_placed),
        static_cast<unsigned long long>(tally.pruned),
        static_cast<unsigned long long>(tally.crashes),
        static_cast<unsigned long long>(tally.plugin_restarts),
        static_cast<unsigned long long>(tally.services_made),
        static_cast<unsigned long long>(tally.deployments_begun),
        static_cast<unsigned long long>(tally.starts_answered),
        static_cast<unsigned long long>(tally.plans_answered),
        static_cast<unsigned long long>(tally.deregistered));
    if (output == Output::Histogram) {
      print_histogram(simulation.ledger().histogram());
      print_histogram(simulation.coverage().histogram());
    }
  }
  if (demand > 0 && !reached(simulation.ledger().histogram(), demand)) return false;
  // A run in which nothing happened has proved nothing.
  if (steps >= 20'000 && (tally.starts_answered == 0 || tally.plans_answered == 0 ||
                          tally.tasks_placed == 0 || tally.crashes == 0 || tally.pruned == 0 ||
                          tally.services_made == 0 || tally.deployments_begun == 0)) {
    std::printf("seed %llu: too little happened\n", static_cast<unsigned long long>(options.seed));
    return false;
  }
  return true;
}

bool replay(const Arguments& arguments) {
  std::ifstream file(arguments.seeds);
  if (!file) {
    std::printf("cannot read %s\n", arguments.seeds.c_str());
    return false;
  }
  bool good = true;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::uint64_t seed = 0;
    std::uint64_t steps = 0;
    if (line.empty() || line[0] == '#' || !(in >> seed >> steps)) continue;
    good = run({arguments.plugin, seed}, steps, Output::Lines) && good;
  }
  return good;
}

// Each planted defect must be found, and nothing where there is none.
bool find_defects(const Arguments& arguments) {
  bool all = true;
  for (std::uint64_t seed = 1; seed <= kDefectSeeds; ++seed) {
    all = run({arguments.plugin, seed}, kDefectSteps, Output::Lines) && all;
  }
  for (const sim::Defect defect : sim::kDefects) {
    std::uint64_t seed = 1;
    while (seed <= kDefectSeeds &&
           run({arguments.plugin, seed, defect}, kDefectSteps, Output::Quiet)) {
      ++seed;
    }
    const bool found = seed <= kDefectSeeds;
    std::printf("%-24s %s\n", sim::to_string(defect),
                found ? ("found by seed " + std::to_string(seed)).c_str() : "NOT FOUND");
    all = all && found;
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--defects") {
      arguments.defects = true;
      continue;
    }
    if (name == "--histogram") {
      arguments.histogram = true;
      continue;
    }
    ++i;
    if (name == "--plugin") {
      arguments.plugin = value;
    } else if (name == "--seed") {
      arguments.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--steps") {
      arguments.steps = std::strtoull(value, nullptr, 10);
    } else if (name == "--hosts") {
      arguments.hosts = static_cast<int>(std::strtol(value, nullptr, 10));
    } else if (name == "--demand") {
      arguments.demand = std::strtoull(value, nullptr, 10);
    } else if (name == "--seeds") {
      arguments.seeds = value;
    } else {
      std::printf("sim: unknown option %s\n", name.c_str());
      return 2;
    }
  }
  if (arguments.plugin.empty()) arguments.plugin = BERTH_SIM_PLUGIN;
  if (arguments.defects) return find_defects(arguments) ? 0 : 1;
  if (!arguments.seeds.empty()) return replay(arguments) ? 0 : 1;
  const Output output = arguments.histogram ? Output::Histogram : Output::Lines;
  sim::Options options{arguments.plugin, arguments.seed};
  options.hosts = arguments.hosts;
  return run(options, arguments.steps, output, arguments.demand) ? 0 : 1;
}
