// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/user.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/image/temp_dir.hpp"

namespace berth::runtime::image {
namespace {

class User : public testing::Test {
 protected:
  void SetUp() override {
    mkdir((root_ / "etc").c_str(), 0755);
    passwd(
        "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:web:/srv:/bin/sh\n5000:x:60:61:odd:/odd:\n"
        "broken\nbad:x:notanumber:1::/:\nhigh:x:4294967295:0::/:\n");
    group("root:x:0:\nweb:x:44:\nadm:x:4:root,web\nlog:x:9:web\nstaff:x:50:other\n");
  }
  void passwd(const std::string& text) { test::write_text(root_ / "etc/passwd", text); }
  void group(const std::string& text) { test::write_text(root_ / "etc/group", text); }
  sdk::Result<ProcessUser> resolve(const std::string& user) {
    return resolve_user(root_.path(), user);
  }

  test::TempDir root_;
};

TEST_F(User, IsRootWhereNothingIsSaid) {
  const auto user = resolve("");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->uid, 0u);
  EXPECT_EQ(user->home, "/root");
  EXPECT_EQ(user->additional_gids, std::vector<std::uint32_t>{4});
}

TEST_F(User, HasTheGroupsThatListItsName) {
  const auto user = resolve("web");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->uid, 33u);
  EXPECT_EQ(user->gid, 44u);
  EXPECT_EQ(user->home, "/srv");
  EXPECT_EQ(user->additional_gids, (std::vector<std::uint32_t>{4, 9}));
  EXPECT_EQ(resolve("33")->gid, 44u);
  EXPECT_EQ(resolve("33")->name, "web");
}

TEST_F(User, NeedsNoEntryForANumber) {
  const auto user = resolve("1234");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->uid, 1234u);
  EXPECT_EQ(user->gid, 0u);
  EXPECT_EQ(user->home, "/");
  EXPECT_TRUE(user->additional_gids.empty());
}

TEST_F(User, TakesTheGroupThatIsNamed) {
  EXPECT_EQ(resolve("web:staff")->gid, 50u);
  EXPECT_TRUE(resolve("web:staff")->additional_gids.empty());
  EXPECT_EQ(resolve("7:77")->gid, 77u);
  EXPECT_EQ(resolve("web:9")->gid, 9u);
  EXPECT_EQ(resolve(":9")->uid, 0u);
}

TEST_F(User, PrefersANameOfDigitsToTheNumber) {
  EXPECT_EQ(resolve("5000")->uid, 60u);
}

TEST_F(User, RefusesWhatTheImageDoesNotKnow) {
  for (const char* name : {"nobody", "web:nogroup", "bad", "high", "4294967295", "99999999999",
                           "1:4294967295", "-1"}) {
    const auto user = resolve(name);
    ASSERT_FALSE(user) << name;
    EXPECT_EQ(user.error().status, BERTH_INVALID);
    EXPECT_EQ(user.error().field, "user");
  }
}

TEST_F(User, LooksNowhereButInTheRoot) {
  unlink((root_ / "etc/passwd").c_str());
  ASSERT_EQ(symlink("/etc/passwd", (root_ / "etc/passwd").c_str()), 0);
  // Inside, the link leads to itself.
  EXPECT_FALSE(resolve("daemon"));
  unlink((root_ / "etc/passwd").c_str());
  ASSERT_EQ(symlink("../../../../../../../../etc/passwd", (root_ / "etc/passwd").c_str()), 0);
  EXPECT_FALSE(resolve("daemon"));
  unlink((root_ / "etc/passwd").c_str());
  test::write_text(root_ / "real", "inside:x:7:7::/:\n");
  ASSERT_EQ(symlink("/real", (root_ / "etc/passwd").c_str()), 0);
  EXPECT_EQ(resolve("inside")->uid, 7u);
}

TEST_F(User, IsNotHeldUpByAPipe) {
  unlink((root_ / "etc/passwd").c_str());
  ASSERT_EQ(mkfifo((root_ / "etc/passwd").c_str(), 0644), 0);
  EXPECT_FALSE(resolve("web"));
  EXPECT_EQ(resolve("3")->uid, 3u);
}

TEST_F(User, SkipsLinesWithoutEnd) {
  passwd(std::string(100000, 'x') + "\nweb:x:33:44::/srv:\n");
  EXPECT_EQ(resolve("web")->uid, 33u);
}

}  // namespace
}  // namespace berth::runtime::image
