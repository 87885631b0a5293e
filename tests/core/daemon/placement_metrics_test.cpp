// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/placement_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

namespace berth::daemon {
namespace {

using testing::HasSubstr;
using testing::Not;

class PlacementMetricsTest : public testing::Test {
 protected:
  std::string text() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  prometheus::Registry registry_;
  std::int64_t clock_ = 1'000;
  PlacementMetrics metrics_{registry_, [this] { return clock_; }};
};

TEST_F(PlacementMetricsTest, TimesEachDecisionAndCountsWhatCameOut) {
  metrics_.begin();
  clock_ += 3'000;
  metrics_.end(true);
  metrics_.begin();
  clock_ += 700;
  metrics_.end(true);
  metrics_.begin();
  clock_ += 40'000;
  metrics_.end(false);
  EXPECT_THAT(text(), HasSubstr("berth_placement_decisions_total{outcome=\"placed\"} 2\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_decisions_total{outcome=\"unplaced\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_decision_seconds_count 3\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_decision_seconds_bucket{le=\"1e-06\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_decision_seconds_bucket{le=\"5e-06\"} 2\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_decision_seconds_bucket{le=\"5e-05\"} 3\n"));
}

TEST_F(PlacementMetricsTest, CountsRefusalsUnderLabelsThatDoNotGrow) {
  metrics_.refused("RESOURCE:CPU", 7);
  metrics_.refused("RESOURCE:CPU", 2);
  metrics_.refused("MemberOf placement constraint unsatisfied.", 1);
  metrics_.refused("RESOURCE:whatever a vendor says", 1);
  metrics_.refused("RESOURCE:something else", 1);
  EXPECT_THAT(text(), HasSubstr("berth_placement_refusals_total{reason=\"RESOURCE:CPU\"} 9\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_refusals_total{reason=\"MemberOf\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_refusals_total{reason=\"OTHER\"} 2\n"));
  EXPECT_THAT(text(), Not(HasSubstr("vendor")));
}

TEST_F(PlacementMetricsTest, ShowsWhatThereIsNow) {
  metrics_.show({.nodes = 3, .reservations = 5, .compiled_requests = 2, .compilations = 4});
  metrics_.show({.nodes = 2, .reservations = 6, .compiled_requests = 1, .compilations = 9});
  EXPECT_THAT(text(), HasSubstr("berth_placement_nodes 2\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_reservations 6\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_compiled_requests 1\n"));
  EXPECT_THAT(text(), HasSubstr("berth_placement_compilations_total 9\n"));
}

}  // namespace
}  // namespace berth::daemon
