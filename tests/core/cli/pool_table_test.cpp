// SPDX-License-Identifier: Apache-2.0
#include "core/cli/pool_table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace berth::cli {
namespace {

boost::json::object host(int cpu, int left_cpu, int memory, int left_memory,
                         bool connected = true) {
  return {{"connected", connected}, {"cpu", cpu}, {"remainingCpu", left_cpu},
          {"memory", memory},       {"tasks", 1}, {"remainingMemory", left_memory}};
}

boost::json::object pool(boost::json::array hosts) {
  return {{"plugin", "fargate"},
          {"name", "default"},
          {"cluster", "prod"},
          {"availabilityZone", "a"},
          {"hosts", std::move(hosts)}};
}

TEST(PoolTable, CountsWhatIsUsedAndWhatFits) {
  const auto summary =
      summary_of(pool({host(1024, 512, 2048, 1024), host(1024, 1024, 2048, 2048)}), {});
  EXPECT_EQ(summary.at("hosts"), 2);
  EXPECT_EQ(summary.at("tasks"), 2);
  EXPECT_EQ(summary.at("usedCpu"), 512);
  EXPECT_EQ(summary.at("usedMemory"), 1024);
  EXPECT_EQ(summary.at("fits"), 2 + 4);
  EXPECT_EQ(summary.at("fragmentation"), 0) << "all that is free can be had";
}

TEST(PoolTable, CallsFragmentedWhatIsFreeAndOfNoUse) {
  // CPU without memory here, memory without CPU there.
  const auto pieces = pool({host(1024, 1024, 2048, 256), host(1024, 128, 2048, 2048)});
  EXPECT_EQ(summary_of(pieces, {}).at("fits"), 0);
  EXPECT_EQ(summary_of(pieces, {}).at("fragmentation"), 100);
  EXPECT_EQ(summary_of(pieces, {.cpu = 128, .memory = 256}).at("fits"), 2);
  EXPECT_EQ(summary_of(pieces, {.cpu = 128, .memory = 256}).at("fragmentation"), 100 * (9 - 2) / 9);
  EXPECT_EQ(summary_of(pool({host(1024, 0, 2048, 0)}), {}).at("fragmentation"), 0)
      << "full is not in pieces";
}

TEST(PoolTable, TakesAHostThatIsAwayForNoCapacity) {
  const auto summary = summary_of(pool({host(1024, 0, 2048, 0, false)}), {});
  EXPECT_EQ(summary.at("hosts"), 0);
  EXPECT_EQ(summary.at("cpu"), 0);
  EXPECT_EQ(summary.at("usedCpu"), 0);
  EXPECT_EQ(summary.at("tasks"), 1) << "its tasks run on";
}

TEST(PoolTable, HasALineForEachPoolAndZone) {
  boost::json::object one = pool({host(1024, 512, 2048, 1024)});
  one["summary"] = summary_of(one, {});
  std::ostringstream out;
  pool_table({one}).print(out);
  EXPECT_EQ(
      out.str(),
      "POOL             CLUSTER  ZONE  HOSTS  TASKS  CPU       MEMORY MIB  FITS  FRAGMENTATION\n"
      "fargate/default  prod     a     1      1      512/1024  1024/2048   2     0%\n");
}

}  // namespace
}  // namespace berth::cli
