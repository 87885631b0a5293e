// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/task_disks.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "sdk/runtime/disk/loop_mount.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

const std::string kTask(32, 'a');
const std::string kOther(32, 'b');
constexpr std::uint64_t kMiB = 1024 * 1024;

class TaskDisksTest : public ::testing::Test {
 protected:
  static bool kernel_has_loops() {
    const OwnedFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    return control && ::ioctl(control.get(), LOOP_CTL_GET_FREE) >= 0;
  }
  void SetUp() override {
    if (!kernel_has_loops()) GTEST_SKIP() << "no loop device can be had here";
    ASSERT_TRUE(TaskDisks::possible()) << "this test needs mkfs.ext4";
    std::string name = fs::temp_directory_path() / "berth-disks-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    if (IsSkipped()) return;
    disks().sweep({});
    EXPECT_TRUE(fs::is_empty(directory_ / "disks"));
    fs::remove_all(directory_);
  }
  [[nodiscard]] TaskDisks disks() const { return TaskDisks(directory_ / "disks"); }
  fs::path acquire(const std::string& task, std::uint64_t bytes = 32 * kMiB) {
    const auto disk = disks().acquire(task, bytes);
    EXPECT_TRUE(disk) << disk.error().message;
    return disk ? *disk : fs::path();
  }
  // Bytes written until the disk takes no more, and why it did not.
  static std::pair<std::uint64_t, int> fill(const fs::path& file) {
    const OwnedFd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::vector<char> block(kMiB, 'x');
    std::uint64_t bytes = 0;
    for (;;) {
      const ssize_t n = ::write(out.get(), block.data(), block.size());
      if (n < 0) return {bytes, errno};
      bytes += static_cast<std::uint64_t>(n);
    }
  }

  fs::path directory_;
};

TEST_F(TaskDisksTest, WhoFillsOneMeetsNoSpaceAndNobodyElseDoes) {
  const fs::path full = acquire(kTask);
  const fs::path other = acquire(kOther);
  const auto [bytes, why] = fill(full / "filler");
  EXPECT_EQ(why, ENOSPC);
  EXPECT_GT(bytes, 24 * kMiB);
  EXPECT_LE(bytes, 32 * kMiB);
  std::ofstream file(other / "file");
  file << "there is room";
  file.close();
  EXPECT_TRUE(file.good());
}

TEST_F(TaskDisksTest, TakeSpaceOfTheHostAsTheyAreWritten) {
  acquire(kTask, 20 * 1024 * kMiB);
  struct stat image {};
  ASSERT_EQ(::stat((directory_ / "disks" / (kTask + ".img")).c_str(), &image), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(image.st_size), 20 * 1024 * kMiB);
  EXPECT_LT(static_cast<std::uint64_t>(image.st_blocks) * 512, 32 * kMiB);
}

TEST_F(TaskDisksTest, AreTheSameWhenTheyAreAskedForAgain) {
  const fs::path disk = acquire(kTask);
  std::ofstream(disk / "file") << "kept";
  EXPECT_EQ(acquire(kTask), disk);
  EXPECT_TRUE(fs::exists(disk / "file"));
  // As after a host's restart, where the image is and the mount is not.
  ASSERT_TRUE(unmount_image(disk));
  EXPECT_FALSE(fs::exists(disk / "file"));
  EXPECT_EQ(acquire(kTask), disk);
  EXPECT_TRUE(fs::exists(disk / "file"));
}

TEST_F(TaskDisksTest, LeaveNothingWhenTheirTaskHasEnded) {
  const fs::path disk = acquire(kTask);
  std::ofstream busy(disk / "busy");
  ASSERT_TRUE(disks().release(kTask));
  EXPECT_TRUE(fs::is_empty(directory_ / "disks"));
  EXPECT_EQ(disks().find(kTask), fs::path());
  EXPECT_TRUE(disks().release(kTask)) << "again is not once more";
}

TEST_F(TaskDisksTest, OfNoTaskAreSweptAway) {
  acquire(kTask);
  acquire(kOther);
  std::ofstream(directory_ / "disks" / (std::string(32, 'c') + ".img.new")) << "half made";
  disks().sweep({kOther});
  EXPECT_EQ(disks().find(kTask), fs::path());
  EXPECT_FALSE(fs::exists(directory_ / "disks" / (std::string(32, 'c') + ".img.new")));
  EXPECT_TRUE(is_mount_point(directory_ / "disks" / kOther));
}

}  // namespace
}  // namespace berth::runtime
