// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "tests/sdk/runtime/image/pulling.hpp"

namespace berth::runtime::image {

std::size_t Pulling::layers_on_disk() const {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator{dir_ / "images/layers"})
    ++count;
  return count;
}

namespace {

using test::BuiltImage;

class Store : public Pulling {};

TEST_F(Store, RemembersOverRestarts) {
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  PullOptions with = options();
  with.holder = "container-1";
  ASSERT_TRUE(pull("a:v1", with));
  reopen();
  const auto image = store_->find(name("a:v1"), options().platform);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->digest, built.digest);
  EXPECT_EQ(test::read_text(image->layers[1] + "/top"), "top");
  EXPECT_EQ(store_->holders(), std::vector<std::string>{"container-1"});
  EXPECT_EQ(store_->held("container-1")->id, built.config_digest);
  EXPECT_TRUE(store_->find(name("a@" + built.digest), options().platform));
  EXPECT_FALSE(store_->find(name("a:v1"), {"linux", "arm64", "v8"}));
  EXPECT_FALSE(store_->find(name("b@" + built.digest), options().platform))
      << "found under another repository";
}

TEST_F(Store, SweepsWhatACrashLeft) {
  registry_.push("a", "v1", two_layers());
  ASSERT_TRUE(pull("a:v1"));
  store_.reset();
  std::filesystem::create_directories(dir_ / "images/drafts/17/diff/deep");
  test::write_text(dir_ / "images/drafts/17/diff/deep/file", "half");
  std::filesystem::create_directories(dir_ / ("images/layers/" + std::string(64, 'a') + "/diff"));
  test::write_text(dir_ / "images/images/x.json.new", "{");
  reopen();
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "images/drafts"));
  EXPECT_EQ(layers_on_disk(), 2u);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "images/images/x.json.new"));
  EXPECT_TRUE(store_->find(name("a:v1"), options().platform));
}

TEST_F(Store, KeepsTheLayersOfAPullThatWasKilledUntilItIsCleaned) {
  registry_.push("a", "v1", two_layers("1"));
  registry_.push("b", "v1", two_layers("2"));
  ASSERT_TRUE(pull("a:v1"));
  // Its layers have come, the record of the image has not.
  const std::filesystem::path records = dir_ / "images/images";
  std::filesystem::rename(records, dir_ / "kept");
  store_.reset();
  std::filesystem::create_directory(records);
  reopen();
  EXPECT_EQ(layers_on_disk(), 2u);
  store_->remove_unused(std::chrono::seconds{3600}, 10);
  EXPECT_EQ(layers_on_disk(), 0u);
  ASSERT_TRUE(pull("b:v1"));
  reopen();
  EXPECT_EQ(layers_on_disk(), 2u) << "an image's layers stay";
}

TEST_F(Store, DoesNotTrustLayersThatMayNotHaveReachedTheDisk) {
  registry_.push("a", "v1", two_layers());
  ASSERT_TRUE(pull("a:v1"));
  store_.reset();
  for (const auto& layer : std::filesystem::directory_iterator{dir_ / "images/layers"}) {
    std::filesystem::remove(layer.path() / "synced");
    const std::string record = layer.path() / "layer.json";
    std::string text = test::read_text(record);
    const std::size_t at = text.find("\"boot\":\"") + 8;
    text[at] = text[at] == 'f' ? '0' : 'f';  // another boot
    test::write_text(record, text);
  }
  reopen();
  EXPECT_EQ(layers_on_disk(), 0u);
  EXPECT_FALSE(store_->find(name("a:v1"), options().platform));
  const auto again = pull("a:v1");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(test::read_text(again->layers[1] + "/top"), "top");
}

TEST_F(Store, RemovesOnlyWhatNobodyHolds) {
  registry_.push("a", "v1", two_layers("1"));
  registry_.push("b", "v1", two_layers("2"));
  PullOptions with = options();
  with.holder = "holder";
  const auto held = pull("a:v1", with);
  ASSERT_TRUE(held);
  ASSERT_TRUE(pull("b:v1"));
  ASSERT_EQ(layers_on_disk(), 3u);
  EXPECT_EQ(store_->remove_unused(std::chrono::seconds{3600}, 10), 0u) << "too young";
  EXPECT_EQ(store_->remove_unused(std::chrono::seconds{0}, 10), 1u);
  EXPECT_EQ(layers_on_disk(), 2u);
  EXPECT_EQ(test::read_text(held->layers[1] + "/top1"), "top1");
  store_->release("holder");
  EXPECT_EQ(store_->remove_unused(std::chrono::seconds{0}, 10), 1u);
  EXPECT_EQ(layers_on_disk(), 0u);
  EXPECT_FALSE(store_->find(name("a:v1"), options().platform));
}

TEST_F(Store, KeepsWhatIsHeldAfterItsTagHasMoved) {
  registry_.push("a", "v1", two_layers("1"));
  PullOptions with = options();
  with.holder = "holder";
  ASSERT_TRUE(pull("a:v1", with));
  registry_.push("a", "v1", two_layers("2"));
  ASSERT_TRUE(pull("a:v1"));
  store_->remove_unused(std::chrono::seconds{0}, 10);
  const auto held = store_->held("holder");
  ASSERT_TRUE(held);
  EXPECT_EQ(test::read_text(held->layers[1] + "/top1"), "top1");
}

TEST_F(Store, HoldsBeforeAPullReturnsWhateverIsRemovedMeanwhile) {
  registry_.push("a", "v1", two_layers());
  std::jthread cleaner{[&](const std::stop_token& stop) {
    while (!stop.stop_requested()) store_->remove_unused(std::chrono::seconds{0}, 10);
  }};
  for (int i = 0; i < 30; ++i) {
    PullOptions with = options();
    with.holder = "h" + std::to_string(i);
    const auto image = pull("a:v1", with);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(test::read_text(image->layers[1] + "/top"), "top");
    store_->release(with.holder);
  }
}

TEST_F(Store, IsOpenedOnceOnly) {
  EXPECT_FALSE(ImageStore::open(dir_ / "images"));
  EXPECT_FALSE(ImageStore::open("relative"));
}

TEST_F(Store, LeavesAnotherVersionsStoreAlone) {
  store_.reset();
  test::write_text(dir_ / "images/format", "berth images 2\n");
  const auto store = ImageStore::open(dir_ / "images");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().status, BERTH_PRECONDITION);
  EXPECT_EQ(test::read_text(dir_ / "images/format"), "berth images 2\n");
}

TEST_F(Store, RefusesHoldersThatWouldBePaths) {
  registry_.push("a", "v1", two_layers());
  const auto image = pull("a:v1");
  ASSERT_TRUE(image);
  for (const std::string holder : {"", ".", "..", "../x", "a/b", ".hidden"}) {
    EXPECT_FALSE(store_->hold(*image, holder)) << holder;
  }
  EXPECT_FALSE(store_->hold(*image, std::string(201, 'a')));
  EXPECT_TRUE(store_->hold(*image, "ok_1-2.3"));
}

TEST_F(Store, KeepsStrangersOut) {
  struct stat status {};
  ASSERT_EQ(stat((dir_ / "images").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

}  // namespace
}  // namespace berth::runtime::image
