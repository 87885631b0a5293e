// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/full_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace berth::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kMiB = 1 << 20;

// A disk of 1 GiB, and what happens to those who use it.
class FullDiskTest : public testing::Test {
 protected:
  void look(int times = 1) {
    for (int i = 0; i < times; ++i) disk_.look();
  }
  void free(std::uint64_t mib) { room_.free.bytes = mib * kMiB; }
  void use(const std::string& task, std::uint64_t mib, bool stopped = false) {
    users_[task] = {.task_id = task, .stopped = stopped, .use = {.bytes = mib * kMiB, .files = 10}};
  }

  DiskRoom room_{.free = {.bytes = 512 * kMiB, .files = 60'000},
                 .size = {.bytes = 1024 * kMiB, .files = 65'536}};
  std::map<std::string, DiskUser> users_;
  int images_ = 0;
  int walks_ = 0;
  std::vector<std::string> stopped_;
  std::vector<std::string> reasons_;
  std::vector<std::string> dropped_;
  std::vector<std::string> complaints_;
  FullDisk disk_{{.room = [this] { return std::optional(room_); },
                  .users =
                      [this] {
                        ++walks_;
                        std::vector<DiskUser> all;
                        for (const auto& [id, user] : users_) all.push_back(user);
                        return all;
                      },
                  .drop_images = [this] { return images_ > 0 && images_-- > 0; },
                  .stop =
                      [this](const std::string& id, const std::string& why) {
                        stopped_.push_back(id);
                        reasons_.push_back(why);
                      },
                  .drop_logs = [this](const std::string& id) { dropped_.push_back(id); },
                  .warn = [this](const std::string& why) { complaints_.push_back(why); }}};
};

TEST_F(FullDiskTest, WithRoomNobodyIsMeasured) {
  use("a", 500);
  look(100);
  EXPECT_EQ(walks_, 0);
}

TEST_F(FullDiskTest, WhoTookMostSinceRoomBecameScarceIsStopped) {
  use("old", 800);
  use("new", 100);
  free(100);
  look();
  use("old", 810);
  use("new", 190);
  free(0);
  look();
  EXPECT_THAT(stopped_, ElementsAre("new"));
  EXPECT_THAT(reasons_,
              ElementsAre(HasSubstr("OutOfDiskError: No space left on device: of the disk "
                                    "of its host this task took 90 MiB")));
}

TEST_F(FullDiskTest, WhereItWasFullAtOnceWhoHasMostIsStopped) {
  use("a", 300);
  use("b", 700);
  free(0);
  look();
  EXPECT_THAT(stopped_, ElementsAre("b"));
}

TEST_F(FullDiskTest, ImagesThatNobodyUsesGoFirst) {
  use("a", 700);
  images_ = 2;
  free(0);
  look(2);
  EXPECT_THAT(stopped_, IsEmpty());
  look();
  EXPECT_THAT(stopped_, ElementsAre("a"));
}

TEST_F(FullDiskTest, NobodyElseIsStoppedWhileTheFirstEndsAndItsFilesGo) {
  use("a", 700);
  use("b", 300);
  free(0);
  look(50);
  EXPECT_THAT(stopped_, ElementsAre("a"));
  use("a", 0, true);
  look(4);
  EXPECT_THAT(stopped_, ElementsAre("a"));
  free(700);
  look(50);
  EXPECT_THAT(stopped_, ElementsAre("a"));
}

TEST_F(FullDiskTest, TheNextIsStoppedWhereThatWasNotEnough) {
  use("a", 500);
  use("b", 400);
  free(0);
  look();
  use("a", 0, true);
  look(10);
  EXPECT_THAT(stopped_, ElementsAre("a", "b"));
}

TEST_F(FullDiskTest, LogsOfAStoppedTaskGoBeforeATaskDoes) {
  use("gone", 600, true);
  use("runs", 300);
  free(0);
  look();
  EXPECT_THAT(dropped_, ElementsAre("gone"));
  EXPECT_THAT(stopped_, IsEmpty());
}

TEST_F(FullDiskTest, ADiskThatSomethingElseFillsStopsNobodyAndIsComplainedOfOnce) {
  use("a", 1);
  free(0);
  look(20);
  EXPECT_THAT(stopped_, IsEmpty());
  EXPECT_EQ(complaints_.size(), 1U);
}

TEST_F(FullDiskTest, SoIsWhoTookAllFilesThereMayBe) {
  use("a", 700);
  use("b", 1);
  users_["b"].use.files = 60'000;
  room_.free.files = 0;
  look();
  EXPECT_THAT(stopped_, ElementsAre("b"));
  EXPECT_THAT(reasons_.at(0), HasSubstr("60000 files"));
}

TEST_F(FullDiskTest, AFileSystemThatTellsOfNoFilesIsNotFull) {
  use("a", 1);
  room_.size.files = room_.free.files = 0;
  look(3);
  EXPECT_EQ(walks_, 0);
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST(DiskUse, CountsBlocksOfWhatIsBelowAndFollowsNoLinks) {
  const std::filesystem::path root =
      std::filesystem::path(testing::TempDir()) / ("use-" + std::to_string(::getpid()));
  std::filesystem::create_directories(root / "a" / "b");
  std::ofstream(root / "a" / "b" / "file") << std::string(100'000, 'x');
  std::filesystem::create_directory_symlink("/usr", root / "a" / "link");
  std::filesystem::resize_file(root / "a" / "b" / "file", 1ULL << 30);  // a hole weighs nothing
  const DiskUse use = use_of(root, root);
  EXPECT_EQ(use.files, 5U);
  EXPECT_GE(use.bytes, 100'000U);
  EXPECT_LT(use.bytes, 200'000U);
  EXPECT_EQ(use_of(root / "absent", root).files, 0U);
  EXPECT_EQ(use_of("/proc/self", root).files, 0U);
  EXPECT_GT(room_of(root)->size.bytes, 0U);
  EXPECT_FALSE(room_of(root / "absent"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace berth::runtime
