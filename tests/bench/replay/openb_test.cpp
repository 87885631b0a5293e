// SPDX-License-Identifier: Apache-2.0
// The replayer against the published figures of the FGD study: BERTH_OPENB=FOLDER, with the trace's
// CSV files, arrivals/ and reference/default_per_seed.csv. Skipped without.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "bench/replay/csv_table.hpp"
#include "bench/replay/replay.hpp"

namespace berth::replay {
namespace {

struct Published {
  const char* policy;  // as the study calls it
  Policy ours;
};

class OpenbTest : public ::testing::TestWithParam<Published> {
 protected:
  void SetUp() override {
    const char* folder = getenv("BERTH_OPENB");
    if (folder == nullptr) {
      GTEST_SKIP() << "BERTH_OPENB does not name the folder of the openb trace";
    }
    folder_ = folder;
  }
  std::string folder_;
};

TEST_P(OpenbTest, GivesTheStudysFiguresForEveryArrivalsFile) {
  const auto trace = read_openb(folder_ + "/openb_node_list_gpu_node.csv",
                                folder_ + "/openb_pod_list_default.csv");
  ASSERT_TRUE(trace.has_value()) << trace.error();
  const std::string figures = folder_ + "/reference/default_per_seed.csv";
  const auto table = CsvTable::parse(figures, read_text(figures).value());
  ASSERT_TRUE(table.has_value()) << table.error();
  int seeds = 0;
  for (std::size_t row = 0; row < table->rows(); ++row) {
    if (table->text(row, *table->column("policy")) != GetParam().policy) continue;
    const std::string seed(table->text(row, *table->column("seed")));
    const std::string file = folder_ + "/arrivals/default_seed" + seed + ".txt.gz";
    if (!std::filesystem::exists(file)) continue;  // only some seeds' arrivals are there
    const auto arrivals = read_arrivals(file, *trace);
    ASSERT_TRUE(arrivals.has_value()) << arrivals.error();
    const auto player = engine_player(*trace, arrivals->nodes, {.policy = GetParam().ours}).value();
    const Outline outline = replay(*trace, *arrivals, *player);
    for (const int at : {95, 100, 110, 120, 130}) {
      const auto column = table->column("alloc_pct_" + std::to_string(at));
      const double published = std::stod(std::string(table->text(row, *column)));
      EXPECT_NEAR(outline.allocated_percent.at(at), published, 0.01) << file << " at " << at;
    }
    ++seeds;
  }
  EXPECT_GT(seeds, 0);
}

TEST_P(OpenbTest, ExpectsTheStudysNumberOfTaskClasses) {
  const auto trace = read_openb(folder_ + "/openb_node_list_gpu_node.csv",
                                folder_ + "/openb_pod_list_default.csv");
  ASSERT_TRUE(trace.has_value()) << trace.error();
  EXPECT_EQ(target_classes(*trace).size(), 35U);
}

INSTANTIATE_TEST_SUITE_P(Study, OpenbTest,
                         ::testing::Values(Published{"FGD", Policy::Fgd},
                                           Published{"BestFit", Policy::BestFit},
                                           Published{"DotProd", Policy::DotProduct},
                                           Published{"GpuPacking", Policy::Packing},
                                           Published{"GpuClustering", Policy::Clustering}),
                         [](const auto& tested) { return std::string(tested.param.policy); });

}  // namespace
}  // namespace berth::replay
