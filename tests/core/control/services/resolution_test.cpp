// SPDX-License-Identifier: Apache-2.0
// A tag is resolved once for a deployment.
#include <algorithm>

#include "tests/core/control/services/service_bench.hpp"

namespace berth::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ResolutionTest : public ServiceBench {
 protected:
  void SetUp() override {
    open();
    RegisterTaskDefinition tagged = definition("tagged");
    container_of(tagged)->set_image("busybox:1");
    ask(tagged);
    ask(tagged);
  }
  static ecs::ContainerDefinition* container_of(RegisterTaskDefinition& command) {
    return command.request.mutable_container_definitions(0);
  }
  void make(CreateService command) {
    submit(std::move(command));
    work();
  }
  // Its pull has read what the tag stands for; layers are still to come.
  void resolve(const std::string& task_id, const std::string& digest) {
    v1::TaskReport report = report_of(TaskId(task_id), 50, v1::TASK_PHASE_PENDING);
    report.set_node_id(task(TaskId(task_id))->node.str());
    v1::PullProgress& pull = *report.add_pulls();
    pull.set_container("main");
    pull.set_image("busybox:1");
    pull.set_image_digest(digest);
    this->report(report);
    work();
  }
  [[nodiscard]] std::size_t pinned_to(const std::string& digest) const {
    return static_cast<std::size_t>(std::ranges::count_if(starts, [&](const auto& start) {
      const auto pin = start.pinned_digests().find("main");
      return pin != start.pinned_digests().end() && pin->second == digest;
    }));
  }
};

TEST_F(ResolutionTest, TheFirstTaskResolvesAndTheOthersAreStartedWithItsDigest) {
  run_tasks = false;
  make(create("web", 5, "tagged:1"));
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts.at(0).pinned_digests().size(), 0u);
  resolve(starts.at(0).task_id(), "sha256:first");
  EXPECT_EQ(starts.size(), 5u);
  EXPECT_EQ(pinned_to("sha256:first"), 4u);
  EXPECT_EQ(primary("web")->data.images(0).image_digest(), "sha256:first");
}

TEST_F(ResolutionTest, LaterTasksKeepTheDigestAndANewDeploymentResolvesAnew) {
  digest = "sha256:first";
  make(create("web", 1, "tagged:1"));
  digest = "sha256:moved";
  UpdateService more = update("web");
  more.request.set_desired_count(2);
  submit(more);
  work();
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts.at(1).pinned_digests().at("main"), "sha256:first");
  UpdateService roll = update("web");
  roll.request.set_task_definition("tagged:2");
  submit(roll);
  work();
  ASSERT_GE(starts.size(), 4u);
  EXPECT_EQ(starts.at(2).pinned_digests().size(), 0u);
  EXPECT_EQ(starts.at(3).pinned_digests().at("main"), "sha256:moved");
}

TEST_F(ResolutionTest, OneOnAHostThatSaysNothingIsNotWaitedForForEver) {
  run_tasks = false;
  make(create("web", 5, "tagged:1"));
  pass(seconds(10) - milliseconds(1));
  EXPECT_EQ(starts.size(), 1u);
  pass(milliseconds(1));
  EXPECT_EQ(starts.size(), 5u);
}

TEST_F(ResolutionTest, WhereTheFirstFailsTheNextOneResolves) {
  run_tasks = false;
  make(create("web", 3, "tagged:1"));
  say(TaskId(starts.at(0).task_id()), v1::TASK_PHASE_STOPPED);
  pass(seconds(60));
  ASSERT_EQ(starts.size(), 2u);
  resolve(starts.at(1).task_id(), "sha256:second");
  EXPECT_EQ(starts.size(), 4u);
  EXPECT_EQ(pinned_to("sha256:second"), 2u);
}

TEST_F(ResolutionTest, ALaunchTypeThatTellsNoDigestsStartsAllOnceTheFirstRuns) {
  make(create("web", 4, "tagged:1"));
  EXPECT_EQ(starts.size(), 4u);
  EXPECT_EQ(tasks_of("web").size(), 4u);
  EXPECT_EQ(primary("web")->data.images_size(), 0);
}

TEST_F(ResolutionTest, OfADaemonServiceTheFirstHostResolves) {
  run_tasks = false;
  CreateService command = daemon("agent");
  command.request.set_task_definition("tagged:1");
  make(command);
  ASSERT_EQ(starts.size(), 1u);
  resolve(starts.at(0).task_id(), "sha256:first");
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(pinned_to("sha256:first"), 1u);
}

TEST_F(ResolutionTest, WithVersionConsistencyDisabledEachTaskResolvesForItself) {
  RegisterTaskDefinition loose = definition("loose");
  container_of(loose)->set_image("busybox:1");
  container_of(loose)->set_version_consistency("disabled");
  ask(loose);
  run_tasks = false;
  make(create("web", 5, "loose:1"));
  ASSERT_EQ(starts.size(), 5u);
  resolve(starts.at(0).task_id(), "sha256:first");
  UpdateService more = update("web");
  more.request.set_desired_count(6);
  submit(more);
  work();
  ASSERT_EQ(starts.size(), 6u);
  EXPECT_EQ(starts.at(5).pinned_digests().size(), 0u);
  EXPECT_EQ(primary("web")->data.images_size(), 0);
}

}  // namespace
}  // namespace berth::control
