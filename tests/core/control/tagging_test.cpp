// SPDX-License-Identifier: Apache-2.0
#include "core/control/tagging.hpp"

#include "tests/core/control/services/service_bench.hpp"

namespace berth::control {
namespace {

using ::testing::HasSubstr;

ecs::Tag tag(const std::string& key, const std::string& value = "") {
  ecs::Tag one;
  one.set_key(key);
  one.set_value(value);
  return one;
}

class TaggingTest : public ServiceBench {
 protected:
  std::map<std::string, std::string> tags(const Resource& resource) {
    std::map<std::string, std::string> all;
    const auto found = tags_of(core->state(), resource);
    EXPECT_TRUE(found);
    if (!found) return all;
    for (const ecs::Tag& one : *found) all[one.key()] = one.value();
    return all;
  }
  using Map = std::map<std::string, std::string>;
};

TEST_F(TaggingTest, EachKindOfResourceIsTaggedUntaggedAndRemembersOverARestart) {
  open();
  submit(create("web", 1));
  work();
  const ClusterName cluster("default");
  const std::vector<Resource> all = {
      cluster, DefinitionId{FamilyName("web"), 1}, TaskName{cluster, tasks_of("web")[0]->id},
      InstanceName{cluster, NodeId(kNode)}, ServiceId{cluster, ServiceName("web")}};
  for (const Resource& one : all) {
    ASSERT_FALSE(ask(TagResource{one, {tag("a", "1"), tag("b", "2")}})->failed());
    ask(TagResource{one, {tag("b", "3"), tag("c")}});
    ask(TagResource{one, {}, {"a", "never"}});
    EXPECT_EQ(tags(one), (Map{{"b", "3"}, {"c", ""}}));
  }
  crash();
  for (const Resource& one : all) EXPECT_EQ(tags(one), (Map{{"b", "3"}, {"c", ""}}));
}

TEST_F(TaggingTest, AnswersOnlyWhatIsDurable) {
  open();
  const auto asked = submit(TagResource{ClusterName("default"), {tag("a")}});
  tick();
  EXPECT_FALSE(asked->done());
  settle();
  EXPECT_TRUE(asked->done());
}

TEST_F(TaggingTest, RefusesMoreThanFiftyButForReservedOnes) {
  open();
  RunTask command = run_task();
  command.request.set_enable_ecs_managed_tags(true);
  submit(command);
  work();
  const TaskName name{ClusterName("default"), core->state().tasks().begin()->first};
  std::vector<ecs::Tag> many;
  for (int i = 0; i < 50; ++i) many.push_back(tag("key" + std::to_string(i)));
  EXPECT_FALSE(ask(TagResource{name, many})->failed());
  EXPECT_EQ(tags(name).size(), 51u);
  EXPECT_EQ(ask(TagResource{name, {tag("one more")}})->error().subject, Subject::TagLimit);
  EXPECT_THAT(ask(TagResource{name, {}, {"aws:ecs:clusterName"}})->error().message,
              HasSubstr("ECS's own"));
}

TEST_F(TaggingTest, WhatIsNotThereHasNoTags) {
  open();
  const ClusterName cluster("default");
  EXPECT_EQ(ask(TagResource{ClusterName("other"), {}})->error().subject, Subject::Cluster);
  EXPECT_EQ(ask(TagResource{ServiceId{cluster, ServiceName("x")}, {}})->error().subject,
            Subject::Service);
  EXPECT_EQ(ask(TagResource{TaskName{cluster, TaskId("x")}, {}})->error().code, Errc::NotFound);
  EXPECT_EQ(ask(TagResource{InstanceName{cluster, NodeId("x")}, {}})->error().code, Errc::NotFound);
  EXPECT_EQ(ask(TagResource{DefinitionId{FamilyName("x"), 1}, {}})->error().code, Errc::NotFound);
}

TEST_F(TaggingTest, AStoppedTaskHasNone) {
  open();
  submit(run_task());
  work();
  const TaskId id = core->state().tasks().begin()->first;
  const TaskName name{ClusterName("default"), id};
  ask(TagResource{name, {tag("a")}});
  ask(stop_task(id));
  work();
  EXPECT_TRUE(tags(name).empty());
  EXPECT_TRUE(ask(TagResource{name, {tag("a")}})->failed());
}

}  // namespace
}  // namespace berth::control
