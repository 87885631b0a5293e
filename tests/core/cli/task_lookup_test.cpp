// SPDX-License-Identifier: Apache-2.0
#include "core/cli/task_lookup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cli/listings.hpp"

namespace berth::cli {
namespace {

using testing::HasSubstr;

const std::string kArn =
    "arn:aws:ecs:us-east-1:000000000000:task/prod/0123456789abcdef0123456789abcdef";

TEST(TaskLookup, AnArnNamesItsClusterUnlessTheCallerDoes) {
  EXPECT_EQ(context_for({}, kArn).cluster, "prod");
  EXPECT_EQ(context_for({.api = {}, .cluster = "mine"}, kArn).cluster, "mine");
  EXPECT_EQ(context_for({}, "0123456789abcdef0123456789abcdef").cluster, "");
  EXPECT_EQ(context_for({}, "arn:aws:ecs:us-east-1:000000000000:task/0123").cluster, "")
      << "the old form names none";
  EXPECT_EQ(context_for({}, "arn:aws:ecs:us-east-1:000000000000:service/prod/web").cluster, "");
}

TEST(TaskLookup, ABeginningNamesOneTaskOnly) {
  const std::vector<std::string> arns{"x:task/default/0aab", "x:task/default/0aac",
                                      "x:task/default/0a"};
  const Kind kind{"task", "tasks", "`berth ps -a`"};
  EXPECT_EQ(find_by_beginning(arns, "0aab", kind).value_or(""), "x:task/default/0aab");
  EXPECT_EQ(find_by_beginning(arns, "0a", kind).value_or(""), "x:task/default/0a")
      << "whole beats beginning";
  const auto several = find_by_beginning(arns, "0aa", kind);
  ASSERT_FALSE(several);
  EXPECT_THAT(several.error().message, HasSubstr("several tasks begin with '0aa': give more"));
  const auto none = find_by_beginning(arns, "1", kind);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::NotFound);
  EXPECT_FALSE(find_by_beginning(arns, "", kind));
}

}  // namespace
}  // namespace berth::cli
