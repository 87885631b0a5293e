// SPDX-License-Identifier: Apache-2.0
// Pulls ahead of tasks, and what the host tells of its images.
#include "sdk/runtime/task/host_images.hpp"

#include <future>
#include <latch>
#include <optional>
#include <thread>

#include "tests/sdk/runtime/image/pulling.hpp"

namespace berth::runtime {
namespace {

using test::HttpReply;
using test::HttpRequest;
using State = v1::PullImageResponse;

constexpr std::uint32_t kLong = 60'000;

class HostsImages : public image::Pulling {
 protected:
  void SetUp() override {
    Pulling::SetUp();
    registry_.push("a", "v1", image_for_this_host());
    open({});
  }
  void TearDown() override {
    let_go();
    images_.reset();
  }
  void open(HostImages::Options options) {
    options.directory = dir_ / "images";
    images_ = std::make_unique<HostImages>(*store_, access_, options);
  }
  static test::BuiltImage image_for_this_host() {
    return test::build_image(
        {.layers = {test::gzip_layer(test::TarBuilder{}.file("a", "layer of a").bytes())}});
  }
  // Holds the blobs back until let_go().
  void hold_back() {
    registry_.intercept([this](const HttpRequest& request) -> std::optional<HttpReply> {
      if (request.target.find("/blobs/") != std::string::npos) gate_.wait();
      return {};
    });
  }
  void let_go() {
    if (!std::exchange(open_, true)) gate_.count_down();
  }
  v1::PullImageRequest request(const std::string& id, std::uint32_t wait_ms = kLong) {
    v1::PullImageRequest out;
    out.set_pull_id(id);
    out.set_image(name("a:v1"));
    out.set_wait_ms(wait_ms);
    return out;
  }

  std::latch gate_{1};
  bool open_ = false;
  std::unique_ptr<HostImages> images_;
};

TEST_F(HostsImages, ArePulledAheadAndStayWithoutATask) {
  const auto pulled = images_->pull(request("one"), {});
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(pulled->state(), State::STATE_PULLED) << pulled->reason();
  EXPECT_EQ(pulled->progress().layers_done(), 1u);
  EXPECT_EQ(pulled->progress().bytes_done(), pulled->progress().bytes_total());
  const auto listed = images_->list();
  ASSERT_EQ(listed.images_size(), 1);
  EXPECT_EQ(listed.images(0).reference(), name("a:v1"));
  EXPECT_EQ(listed.images(0).digest(), pulled->digest());
  EXPECT_EQ(listed.images(0).task_ids_size(), 0);
  EXPECT_EQ(listed.stored_bytes(), listed.images(0).size_bytes());
  EXPECT_GT(listed.free_bytes(), 0u);
}

TEST_F(HostsImages, GoOnBeingPulledWhenTheCallEndsAndAreFoundByTheirId) {
  hold_back();
  const auto begun = images_->pull(request("one", 0), {});
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->state(), State::STATE_PULLING);
  let_go();
  const auto ended = images_->pull(request("one"), {});
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state(), State::STATE_PULLED);
  const auto asked = registry_.server().requests().size();
  EXPECT_EQ(images_->pull(request("one"), {})->state(), State::STATE_PULLED);
  EXPECT_EQ(registry_.server().requests().size(), asked) << "its outcome is remembered";
}

TEST_F(HostsImages, ThatCannotBePulledSayWhyForAsLongAsAnybodyAsks) {
  auto missing = request("one");
  missing.set_image(name("nowhere:v1"));
  for (int i = 0; i < 2; ++i) {
    const auto failed = images_->pull(missing, {});
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->state(), State::STATE_FAILED);
    EXPECT_TRUE(failed->reason().starts_with("CannotPullContainerError: ")) << failed->reason();
  }
}

TEST_F(HostsImages, ArePulledAFewAtATime) {
  open({.pulls = 1});
  hold_back();
  ASSERT_TRUE(images_->pull(request("one", 0), {}));
  const auto second = images_->pull(request("two", 0), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().status, BERTH_UNAVAILABLE);
  EXPECT_TRUE(images_->pull(request("one", 0), {})) << "that is the one under way";
}

TEST_F(HostsImages, AreRefusedWhereTheNameOrTheIdIsNone) {
  EXPECT_EQ(images_->pull(request(""), {}).error().field, "pull_id");
  EXPECT_EQ(images_->pull(request("../x"), {}).error().field, "pull_id");
  auto bad = request("one");
  bad.set_image("UPPER//x");
  EXPECT_EQ(images_->pull(bad, {}).error().field, "image");
  ASSERT_TRUE(images_->pull(request("two"), {}));
  auto other = request("two");
  other.set_image(name("b:v1"));
  EXPECT_EQ(images_->pull(other, {}).error().field, "pull_id") << "it is another image's";
}

TEST_F(HostsImages, EndWithTheHostInTheMiddleOfAPull) {
  hold_back();
  ASSERT_TRUE(images_->pull(request("one", 0), {}));
  std::optional<sdk::Result<v1::PullImageResponse>> waiting;
  std::jthread caller([&] { waiting = images_->pull(request("one"), {}); });
  // The registry answers nothing before the pull has ended.
  auto closed = std::async(std::launch::async, [&] { images_->close(); });
  const bool ended = closed.wait_for(std::chrono::minutes(1)) == std::future_status::ready;
  EXPECT_TRUE(ended) << "it waits for the registry";
  let_go();
  closed.wait();
  caller.join();
  EXPECT_TRUE(!*waiting || (*waiting)->state() != State::STATE_PULLED);
  EXPECT_EQ(images_->list().images_size(), 0);
  const auto late = images_->pull(request("two"), {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().status, BERTH_UNAVAILABLE);
}

TEST_F(HostsImages, AreRemovedAsOldAsTheCallOrTheHostSays) {
  ASSERT_EQ(images_->pull(request("one"), {})->state(), State::STATE_PULLED);
  v1::PruneImagesRequest prune;
  EXPECT_EQ(images_->prune(prune).references_size(), 0) << "the host's own age is an hour";
  prune.set_min_age_seconds(0);
  image::PullOptions with;
  with.holder = std::string(32, 'a') + "-0";
  ASSERT_TRUE(images_->fetch(name("a:v1"), with));
  EXPECT_EQ(images_->list().images(0).task_ids(0), std::string(32, 'a'));
  EXPECT_EQ(images_->prune(prune).references_size(), 0) << "a task uses it";
  store_->release(with.holder);
  const auto pruned = images_->prune(prune);
  ASSERT_EQ(pruned.references_size(), 1);
  EXPECT_EQ(pruned.references(0), name("a:v1"));
  EXPECT_GT(pruned.freed_bytes(), 0u);
}

}  // namespace
}  // namespace berth::runtime
