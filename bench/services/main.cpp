// SPDX-License-Identifier: Apache-2.0
// bench_services: what one change of a service costs the control core, by the service's size.
#include <algorithm>
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
  double replace_us = 0;  // a task ends and another runs
  double scale_us = 0;    // one more, then one fewer
  double bytes = 0;       // to the store, for a replacement
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

Costs measure(int tasks, int nodes, int changes) {
  berth::bench::SmallWorld world(nodes, tasks);
  world.make_service(tasks);
  for (int i = 0; i < 100; ++i) world.replace_one();
  Costs costs;
  std::vector<double> replace;
  std::vector<double> scale;
  const std::uint64_t written = world.written();
  for (int i = 0; i < changes; ++i) {
    const double begin = cpu_us();
    world.replace_one();
    replace.push_back(cpu_us() - begin);
  }
  costs.bytes = static_cast<double>(world.written() - written) / changes;
  for (int i = 0; i < changes / 10 + 1; ++i) {
    const double begin = cpu_us();
    world.scale_to(tasks + 1);
    world.scale_to(tasks);
    scale.push_back(cpu_us() - begin);
  }
  costs.replace_us = median(std::move(replace));
  costs.scale_us = median(std::move(scale));
  return costs;
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
  app.add_option("--changes", changes, "Replacements that are timed")->capture_default_str();
  app.add_option("--at-most", most,
                 "End with 1 where a replacement in the last service costs more than so many times "
                 "one in the first");
  CLI11_PARSE(app, argc, argv);
  std::vector<Costs> all;
  for (const int tasks : sizes) {
    all.push_back(measure(tasks, nodes, changes));
    std::printf(
        "%6d tasks: a replacement %8.1f us, %6.0f bytes written; one more and one fewer "
        "%8.1f us\n",
        tasks, all.back().replace_us, all.back().bytes, all.back().scale_us);
  }
  const double ratio = all.back().replace_us / all.front().replace_us;
  std::printf("ratio of replacements %.2f, of scaling %.2f\n", ratio,
              all.back().scale_us / all.front().scale_us);
  return most > 0 && ratio > most ? 1 : 0;
}
