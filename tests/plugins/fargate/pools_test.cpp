// SPDX-License-Identifier: Apache-2.0
#include "plugins/fargate/pools.hpp"

#include <gmock/gmock.h>

#include <map>
#include <string>

namespace berth::fargate {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

Pools pools(const std::map<std::string, std::string>& settings = {}) {
  sdk::Settings read(settings);
  Pools made = Pools::read(read);
  EXPECT_TRUE(read.check());
  return made;
}

v1::Node host(const std::map<std::string, std::string>& attributes) {
  v1::Node node;
  for (const auto& [name, value] : attributes) {
    auto& attribute = *node.add_attributes();
    attribute.set_name(name);
    if (!value.empty()) attribute.set_value(value);
  }
  return node;
}

TEST(FargatePools, TakeHostsThatHoldTasksAsThePoolWants) {
  const Pools two =
      pools({{"pools.default.sandbox", "user-namespace"}, {"pools.strong.sandbox", "runsc"}});
  EXPECT_EQ(problem_of(host({{"berth.sandbox", "user-namespace"},
                             {"berth.task-disk-gib", "20"},
                             {"berth.task-pids", "99"}}),
                       two),
            std::nullopt);
  EXPECT_EQ(problem_of(host({{"berth.sandbox", "kernel"},
                             {"berth.task-disk-gib", "20"},
                             {"berth.task-pids", "99"},
                             {"berth.pool", "strong"}}),
                       two),
            std::nullopt);
}

TEST(FargatePools, SayWhyAHostGetsNoTasks) {
  EXPECT_THAT(problem_of(host({{"berth.task-disk-gib", "20"}, {"berth.task-pids", "99"}}), pools()),
              Optional(HasSubstr("set [user_namespaces] of its agent")));
  EXPECT_THAT(problem_of(host({{"berth.sandbox", "kernel"},
                               {"berth.task-disk-gib", "20"},
                               {"berth.task-pids", "99"}}),
                         pools()),
              Optional(HasSubstr("has the sandbox user-namespace, which the host has not")));
  EXPECT_THAT(problem_of(host({{"berth.sandbox", "user-namespace"}}), pools()),
              Optional(HasSubstr("set pids and disk_gib in [task_limits]")));
  EXPECT_THAT(problem_of(host({{"berth.pool", "other"}}), pools()),
              Optional(HasSubstr("there is no pool 'other'")));
}

}  // namespace
}  // namespace berth::fargate
