// SPDX-License-Identifier: Apache-2.0
// What the store tells of its images, and what it removes when asked to.
#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>

#include "tests/sdk/runtime/image/pulling.hpp"

namespace berth::runtime::image {
namespace {

using std::chrono::seconds;

class Inventory : public Pulling {
 protected:
  void hold(const std::string& image, const std::string& holder) {
    PullOptions with = options();
    with.holder = holder;
    ASSERT_TRUE(pull(image, with));
  }
  StoredImage of(const std::string& image) {
    for (StoredImage& one : store_->list()) {
      if (one.reference == name(image)) return one;
    }
    ADD_FAILURE() << image << " is not listed";
    return {};
  }
  // As if every image had been used last so long ago.
  void grow_old(seconds age) {
    store_.reset();
    for (const auto& record : std::filesystem::directory_iterator{dir_ / "images/images"}) {
      std::string text = test::read_text(record.path());
      const std::size_t at = text.find("\"pulled_at\":") + 12;
      text.replace(at, text.find_first_of(",}", at) - at, "1");
      test::write_text(record.path(), text);
      const timespec then{.tv_sec = std::time(nullptr) - age.count(), .tv_nsec = 0};
      const timespec times[2] = {then, then};
      ASSERT_EQ(utimensat(AT_FDCWD, record.path().c_str(), times, 0), 0);
    }
    reopen();
  }
};

TEST_F(Inventory, TellsNamesDigestsHoldersAndSharedSizes) {
  registry_.push("a", "v1", two_layers("1"));
  registry_.push("b", "v1", two_layers("22"));
  hold("a:v1", "task-0");
  const auto pulled = pull("b:v1");
  ASSERT_TRUE(pulled);
  const auto all = store_->list();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].reference, name("a:v1"));
  EXPECT_EQ(all[0].platform, "linux/amd64");
  EXPECT_EQ(all[0].holders, std::vector<std::string>{"task-0"});
  EXPECT_EQ(all[1].digest, pulled->digest);
  EXPECT_EQ(all[1].id, pulled->id);
  EXPECT_TRUE(all[1].holders.empty());
  EXPECT_EQ(all[1].bytes, pulled->unpacked_bytes);
  EXPECT_GT(all[1].unique_bytes, 0u);
  EXPECT_LT(all[1].unique_bytes, all[1].bytes) << "the lowest layer is that of both";
  EXPECT_EQ(store_->stored_bytes(), all[0].bytes + all[1].unique_bytes);
}

TEST_F(Inventory, CountsALayerOfTwoNamesOfOneImageAsItsOwn) {
  registry_.push("a", "v1", two_layers());
  registry_.push("a", "v2", two_layers());
  ASSERT_TRUE(pull("a:v1"));
  ASSERT_TRUE(pull("a:v2"));
  EXPECT_EQ(of("a:v1").unique_bytes, of("a:v2").bytes);
}

TEST_F(Inventory, ShowsWhatIsHeldAfterItsNameHasMoved) {
  registry_.push("a", "v1", two_layers("1"));
  hold("a:v1", "task-0");
  const std::string old = of("a:v1").digest;
  registry_.push("a", "v1", two_layers("2"));
  ASSERT_TRUE(pull("a:v1"));
  const auto all = store_->list();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].holders.empty());
  EXPECT_EQ(all[1].reference, name("a@") + old);
  EXPECT_EQ(all[1].holders, std::vector<std::string>{"task-0"});
}

TEST_F(Inventory, RemembersTheLastUseOverARestart) {
  registry_.push("a", "v1", two_layers());
  hold("a:v1", "task-0");
  grow_old(seconds{86'400});
  EXPECT_LT(of("a:v1").used_at, std::time(nullptr) - 80'000);
  store_->release("task-0");
  const auto used = of("a:v1").used_at;
  EXPECT_GE(used, std::time(nullptr) - 60);
  reopen();
  EXPECT_EQ(of("a:v1").used_at, used);
}

TEST_F(Inventory, PrunesByTheTimeOfTheLastUseAndTellsWhatWent) {
  for (const char* one : {"a", "b", "c"}) {
    registry_.push(one, "v1", two_layers(one));
    hold(std::string(one) + ":v1", std::string("holder-") + one);
  }
  grow_old(seconds{7'200});
  store_->release("holder-a");  // used until now
  // As after a crash between the end of a container and its release: held by nobody, used long ago.
  store_.reset();
  std::filesystem::remove(dir_ / "images/holds/holder-b.json");
  reopen();
  const std::uint64_t before = store_->stored_bytes();
  const Pruned pruned = store_->prune(seconds{3'600}, 10);
  EXPECT_EQ(pruned.references, std::vector<std::string>{name("b:v1")});
  EXPECT_EQ(pruned.bytes, before - store_->stored_bytes());
  EXPECT_GT(pruned.bytes, 0u);
  EXPECT_EQ(store_->prune(seconds{0}, 10).references, std::vector<std::string>{name("a:v1")})
      << "c is held, whatever its age";
  EXPECT_EQ(store_->list().size(), 1u);
}

}  // namespace
}  // namespace berth::runtime::image
