// SPDX-License-Identifier: Apache-2.0
#include "core/model/arn.hpp"

#include <gtest/gtest.h>

namespace berth {
namespace {

TEST(ParseResource, TakesNamesAndArnsOfTheAskedType) {
  EXPECT_EQ(parse_resource("prod", "cluster")->id, "prod");
  EXPECT_EQ(parse_resource("arn:aws:ecs:us-east-1:000000000000:cluster/prod", "cluster")->id, "prod");
  const auto task = parse_resource("arn:aws:ecs:us-east-1:000000000000:task/prod/0af3", "task");
  EXPECT_EQ(task->cluster, "prod");
  EXPECT_EQ(task->id, "0af3");
  const auto old_form = parse_resource("arn:aws:ecs:us-east-1:000000000000:task/0af3", "task");
  EXPECT_EQ(old_form->cluster, "");
}

TEST(ParseResource, RefusesWhatOnlyLooksLikeAnArn) {
  for (const char* text : {"arn:", "arn:aws:ecs:us-east-1:0:task", "arn:aws:iam::0:role/x",
                           "arn:aws:ecs:us-east-1:0:task/a/b/c", "arn:aws:ecs:us-east-1:0:task/",
                           "arn:aws:ecs:us-east-1:0:service/a/b"}) {
    EXPECT_FALSE(parse_resource(text, "task")) << text;
  }
}

TEST(ParseDefinition, TellsFamilyFromRevision) {
  EXPECT_EQ(parse_definition("web")->revision, 0);
  EXPECT_EQ(parse_definition("web:7")->revision, 7);
  EXPECT_EQ(parse_definition("arn:aws:ecs:us-east-1:0:task-definition/web:7")->family.str(), "web");
  for (const char* text : {"web:", "web:x", "web:0", "web:-1", "web:99999999999"}) {
    const auto refused = parse_definition(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, Errc::Invalid);
  }
}

TEST(Realm, ComposesWhatItParses) {
  const Realm realm;
  const DefinitionId id{FamilyName("web"), 3};
  EXPECT_EQ(parse_definition(realm.task_definition_arn(id)).value(), id);
  const std::string arn = realm.task_arn(ClusterName("prod"), TaskId("ab"));
  EXPECT_EQ(arn, "arn:aws:ecs:us-east-1:000000000000:task/prod/ab");
}

}  // namespace
}  // namespace berth
