// SPDX-License-Identifier: Apache-2.0
#include "core/cli/hints.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(Hints, SayWhatToDoAboutWhatTheApiRefuses) {
  EXPECT_THAT(hint_for("No Container Instances were found in your cluster."),
              HasSubstr("berth agent list"));
  EXPECT_THAT(hint_for("No Container Instances were found in your capacity provider."),
              HasSubstr("berth pool"));
  EXPECT_THAT(hint_for("no container instance can run it:\n  x: RESOURCE:MEMORY"),
              HasSubstr("berth plan"));
  EXPECT_THAT(hint_for("Cluster not found."), HasSubstr("--cluster"));
  EXPECT_THAT(hint_for("berthd: Cannot listen on 127.0.0.1:5080: the port is in use."),
              HasSubstr("--api HOST:0"));
  EXPECT_THAT(hint_for("CannotPullImageManifestError: no such host"), HasSubstr("registry-ecr"));
  EXPECT_THAT(hint_for("The security token included in the request is invalid."),
              HasSubstr("access_keys"));
}

TEST(Hints, AddNothingToOtherMessages) {
  EXPECT_THAT(hint_for("there is no task x: `berth ps -a` lists them"), IsEmpty());
}

}  // namespace
}  // namespace berth::cli
