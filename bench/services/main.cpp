// SPDX-License-Identifier: Apache-2.0
// bench_services: what one change of a service costs the control core, by the service's size.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/services/small_world.hpp"

namespace {

// Of this thread: the machine may be busy.
double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct Costs {
  double replace_us = 0;    // a task ends and another runs
  double scale_out_us = 0;  // by one
  double scale_in_us = 0;   // by one
  double roll_us = 0;       // a new task is healthy, an old one ends, the next one starts
  double bytes = 0;         // to the store, for a replacement
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

template <typename Change>
double timed(Change change) {
  const double begin = cpu_us();
  change();
  return cpu_us() - begin;
}

Costs measure(int tasks, int nodes, int changes) {
  berth::bench::SmallWorld world(nodes, tasks);
  world.make_service(tasks);
  for (int i = 0; i < 100; ++i) world.replace_one();
  const std::uint64_t written = world.written();
  std::vector<double> replace;
  for (int i = 0; i < changes; ++i) replace.push_back(timed([&] { world.replace_one(); }));
  Costs costs;
  costs.bytes = static_cast<double>(world.written() - written) / changes;
  // The first scale-in looks at all tasks, and is one among these.
  const int few = changes / 10 + 1;
  std::vector<double> out;
  std::vector<double> in;
  for (int i = 0; i < few; ++i) {
    out.push_back(timed([&] { world.scale_to(tasks + 1); }));
    in.push_back(timed([&] { world.scale_to(tasks); }));
  }
  world.begin_rollout();
  std::vector<double> roll;
  for (int i = 0; i < std::min(few, tasks / 4); ++i) {
    roll.push_back(timed([&] { world.roll_one(); }));
  }
  costs.replace_us = median(std::move(replace));
  costs.scale_out_us = median(std::move(out));
  costs.scale_in_us = median(std::move(in));
  costs.roll_us = median(std::move(roll));
  return costs;
}

void print(int tasks, const Costs& costs) {
  std::printf(
      "%6d tasks: a replacement %8.1f us, %6.0f bytes written; one more %8.1f us; one fewer "
      "%8.1f us; a step of a rollout %8.1f us\n",
      tasks, costs.replace_us, costs.bytes, costs.scale_out_us, costs.scale_in_us, costs.roll_us);
}

// How many times more a change of the large service costs; the worst of all kinds.
double worst_ratio(const Costs& small, const Costs& large) {
  const std::array ratios = {large.replace_us / small.replace_us,
                             large.scale_out_us / small.scale_out_us,
                             large.scale_in_us / small.scale_in_us, large.roll_us / small.roll_us};
  std::printf("ratio of replacements %.2f, of one more %.2f, of one fewer %.2f, of rolling %.2f\n",
              ratios[0], ratios[1], ratios[2], ratios[3]);
  return *std::max_element(ratios.begin(), ratios.end());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What one change of a service costs the control core.", "bench_services");
  std::vector<int> sizes = {100, 10'000};
  int nodes = 100;
  int changes = 2000;
  double most = 0;
  app.add_option("--tasks", sizes, "Sizes of the service")->delimiter(',')->capture_default_str();
  app.add_option("--nodes", nodes, "Hosts in the cluster")->capture_default_str();
  app.add_option("--changes", changes, "Replacements that are timed; of other changes a tenth")
      ->capture_default_str();
  app.add_option("--at-most", most,
                 "End with 1 where a change of the last service costs more than so many times one "
                 "of the first");
  CLI11_PARSE(app, argc, argv);
  std::vector<Costs> all;
  for (const int tasks : sizes) {
    all.push_back(measure(tasks, nodes, changes));
    print(tasks, all.back());
  }
  const double ratio = worst_ratio(all.front(), all.back());
  return most > 0 && ratio > most ? 1 : 0;
}
