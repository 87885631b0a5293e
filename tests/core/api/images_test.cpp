// SPDX-License-Identifier: Apache-2.0
// ListImages, PullImage and PruneImages, as a client sees them.
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

const std::string kOne(32, '1');
const std::string kTwo(32, '2');

class Images : public ServerTest {
 protected:
  void SetUp() override {
    start();
    for (const std::string& id : {kOne, kTwo}) {
      auto instance = std::make_shared<ContainerInstance>();
      instance->id = NodeId(id);
      instance->cluster = ClusterName("default");
      instance->plugin = PluginName("ec2");
      control_.state().put(ContainerInstancePtr(instance));
    }
  }
  Reply ask(const std::string& operation, const std::string& body) {
    return call("Berth_20261122." + operation, body);
  }
  static v1::PullImageResponse pull(v1::PullImageResponse::State state) {
    v1::PullImageResponse response;
    response.set_state(state);
    return response;
  }
};

TEST_F(Images, AreListedByInstanceWithSizesAndTasks) {
  v1::ListImagesResponse listed;
  listed.set_stored_bytes(300);
  listed.set_free_bytes(5'000'000'000);
  auto& image = *listed.add_images();
  image.set_reference("docker.io/library/web:1");
  image.set_digest("sha256:aa");
  image.set_id("sha256:bb");
  image.set_platform("linux/amd64");
  image.set_size_bytes(300);
  image.set_unique_bytes(100);
  image.mutable_pulled_at()->set_ms(1'700'000'000'000);
  image.mutable_last_used_at()->set_ms(1'700'000'060'000);
  image.add_task_ids(std::string(32, 'a'));
  images_.lists.emplace(kOne, listed);
  const auto reply = ask("ListImages", "{}");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_THAT(reply.at("containerInstances.0.containerInstanceArn"),
              EndsWith("container-instance/default/" + kOne));
  EXPECT_EQ(reply.at("containerInstances.0.storedBytes"), "300");
  EXPECT_EQ(reply.at("containerInstances.0.freeBytes"), "5000000000");
  const std::string at = "containerInstances.0.images.0.";
  EXPECT_EQ(reply.at(at + "image"), "docker.io/library/web:1");
  EXPECT_EQ(reply.at(at + "digest"), "sha256:aa");
  EXPECT_EQ(reply.at(at + "uniqueBytes"), "100");
  EXPECT_EQ(reply.at(at + "lastUsedAt"), "1700000060");
  EXPECT_THAT(reply.at(at + "taskArns.0"), EndsWith("task/default/" + std::string(32, 'a')));
  EXPECT_EQ(reply.at("containerInstances.1"), "(absent)");
  EXPECT_THAT(reply.at("failures.0.arn"), EndsWith(kTwo));
  EXPECT_EQ(reply.at("failures.0.reason"), "UNAVAILABLE");
}

TEST_F(Images, OfAnOlderPluginAreNamedAsUnsupported) {
  images_.lists.emplace(kOne, fail(Errc::Unimplemented, "the plugin ec2 has no method 268"));
  const auto reply = ask("ListImages", R"({"containerInstances":[")" + kOne + R"("]})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.at("containerInstances"), "[]");
  EXPECT_EQ(reply.at("failures.0.reason"), "UNSUPPORTED");
  EXPECT_THAT(reply.at("failures.0.detail"), HasSubstr("no method"));
}

TEST_F(Images, ArePulledToAllInstancesUnderOneId) {
  auto under_way = pull(v1::PullImageResponse::STATE_PULLING);
  under_way.mutable_progress()->set_bytes_done(5);
  under_way.mutable_progress()->set_bytes_total(10);
  images_.pulls.emplace(kOne, under_way);
  auto failed = pull(v1::PullImageResponse::STATE_FAILED);
  failed.set_reason("CannotPullContainerError: no");
  images_.pulls.emplace(kTwo, failed);
  const auto reply = ask("PullImage", R"({"image":"web:1","executionRoleArn":"arn:r",)"
                                      R"("credentialsParameter":"arn:s","timeoutSeconds":3})");
  EXPECT_EQ(reply.at("pulls.0.status"), "PULLING");
  EXPECT_EQ(reply.at("pulls.0.bytesDone"), "5");
  EXPECT_EQ(reply.at("pulls.1.status"), "FAILED");
  EXPECT_EQ(reply.at("pulls.1.reason"), "CannotPullContainerError: no");
  ASSERT_EQ(images_.asked_pulls.size(), 2U);
  EXPECT_EQ(images_.asked_pulls[0].pull_id(), reply.at("pullId"));
  EXPECT_EQ(images_.asked_pulls[1].pull_id(), reply.at("pullId"));
  EXPECT_EQ(images_.asked_pulls[0].image(), "web:1");
  EXPECT_EQ(images_.asked_pulls[0].execution_role_arn(), "arn:r");
  EXPECT_EQ(images_.asked_pulls[0].credentials(), "arn:s");
  EXPECT_EQ(images_.asked_pulls[0].wait_ms(), 3000U);
}

TEST_F(Images, GoOnBeingWaitedForByTheIdOfTheirPull) {
  auto pulled = pull(v1::PullImageResponse::STATE_PULLED);
  pulled.set_digest("sha256:aa");
  images_.pulls.emplace(kOne, pulled);
  const auto reply =
      ask("PullImage", R"({"image":"web:1","pullId":"mine","containerInstances":[")" + kOne +
                           R"(","unknown"]})");
  EXPECT_EQ(reply.at("pullId"), "mine");
  EXPECT_EQ(reply.at("pulls.0.status"), "PULLED");
  EXPECT_EQ(reply.at("pulls.0.digest"), "sha256:aa");
  EXPECT_THAT(reply.at("failures.0.arn"), EndsWith("container-instance/default/unknown"));
  EXPECT_EQ(reply.at("failures.0.reason"), "MISSING");
  EXPECT_EQ(images_.asked_pulls[0].wait_ms(), 1000U);
}

TEST_F(Images, ArePrunedByTheAgeThatIsAskedForOrTheInstancesOwn) {
  v1::PruneImagesResponse pruned;
  pruned.add_references("web:1");
  pruned.set_freed_bytes(7);
  images_.prunes.emplace(kOne, pruned);
  images_.prunes.emplace(kTwo, v1::PruneImagesResponse());
  const auto reply = ask("PruneImages", R"({"minAgeSeconds":60})");
  EXPECT_EQ(reply.at("containerInstances.0.images"), R"(["web:1"])");
  EXPECT_EQ(reply.at("containerInstances.0.freedBytes"), "7");
  EXPECT_EQ(reply.at("containerInstances.1.images"), "[]");
  EXPECT_EQ(images_.asked_prunes[0].min_age_seconds(), 60U);
  ask("PruneImages", "{}");
  EXPECT_FALSE(images_.asked_prunes[2].has_min_age_seconds());
}

TEST_F(Images, AreRefusedWithReasons) {
  EXPECT_EQ(ask("ListImages", R"({"cluster":"other"})").at("__type"), "ClusterNotFoundException");
  EXPECT_THAT(ask("PullImage", "{}").at("message"), HasSubstr("image"));
  EXPECT_THAT(ask("PullImage", R"({"image":"a","pullId":"../x"})").at("message"),
              HasSubstr("pullId"));
  EXPECT_THAT(ask("PullImage", R"({"image":"a","timeoutSeconds":21})").at("message"),
              HasSubstr("timeoutSeconds"));
  EXPECT_EQ(ask("PruneImages", R"({"minAgeSeconds":-1})").status, 400);
  EXPECT_TRUE(images_.asked_pulls.empty());
  EXPECT_TRUE(images_.asked_prunes.empty());
}

}  // namespace
}  // namespace berth::api
