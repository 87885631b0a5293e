// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include "sdk/runtime/image/unpack.hpp"
#include "tests/sdk/runtime/image/unpacking.hpp"

namespace berth::runtime::image {
namespace {

using test::TarBuilder;
using test::TarEntry;

// Refused, and nothing outside was made or changed.
void expect_refused(const TarBuilder& tar, const char* what) {
  Unpacking layer;
  const auto done = layer.unpack(tar);
  ASSERT_FALSE(done) << what;
  EXPECT_EQ(done.error().status, BERTH_INVALID) << what << ": " << done.error().message;
  EXPECT_EQ(test::read_text(layer.outside("witness")), "untouched") << what;
  struct stat status {};
  EXPECT_NE(lstat(layer.outside("evil").c_str(), &status), 0) << what;
}

TEST(HostileLayer, CannotLeaveByDots) {
  expect_refused(TarBuilder{}.file("../evil", "x"), "file");
  expect_refused(TarBuilder{}.directory("a").file("a/../../evil"), "deeper");
  expect_refused(TarBuilder{}.file("a/.."), "last");
  expect_refused(TarBuilder{}.directory(".."), "directory");
  expect_refused(TarBuilder{}.symlink("../evil", "x"), "symlink");
  expect_refused(TarBuilder{}.file("a").hard_link("../evil", "a"), "hard link");
  expect_refused(TarBuilder{}.file("../.wh.witness"), "whiteout");
}

TEST(HostileLayer, HasItsAbsolutePathsInside) {
  Unpacking layer;
  const std::string target = layer.outside("evil");
  ASSERT_TRUE(layer.unpack(TarBuilder{}.file(target, "x").file("//etc/y")));
  struct stat status {};
  EXPECT_NE(lstat(target.c_str(), &status), 0);
  EXPECT_TRUE(layer.exists(target));
  EXPECT_TRUE(layer.exists("etc/y"));
}

TEST(HostileLayer, CannotLeaveThroughItsLinks) {
  Unpacking layer;
  const std::string outside = layer.outside("");
  // As seen from inside, "/" and ".." at the top are the layer itself.
  const auto absolute = layer.unpack(TarBuilder{}.symlink("out", outside).file("out/evil", "x"));
  EXPECT_FALSE(absolute);
  const auto relative = layer.unpack(TarBuilder{}
                                         .symlink("up", "..")
                                         .file("up/evil", "x")
                                         .symlink("deep/up", "../../..")
                                         .file("deep/up/evil2", "x"));
  ASSERT_TRUE(relative) << relative.error().message;
  struct stat status {};
  EXPECT_NE(lstat(layer.outside("evil").c_str(), &status), 0);
  EXPECT_NE(lstat(layer.outside("evil2").c_str(), &status), 0);
  EXPECT_TRUE(layer.exists("evil"));
  EXPECT_TRUE(layer.exists("evil2"));
}

TEST(HostileLayer, DoesNotWriteThroughALinkOfTheSameName) {
  Unpacking layer;
  const std::string witness = layer.outside("witness");
  ASSERT_TRUE(layer.unpack(TarBuilder{}
                               .symlink("f", witness)
                               .file("f", "overwritten")
                               .symlink("g", witness)
                               .add({.path = "g", .type = '5', .mode = 0777})));
  EXPECT_EQ(test::read_text(witness), "untouched");
  EXPECT_EQ(test::read_text(layer.path("f")), "overwritten");
  EXPECT_TRUE(S_ISDIR(layer.stat_of("g").st_mode));
}

TEST(HostileLayer, GetsNoHardLinkToAnythingOutside) {
  expect_refused(TarBuilder{}.hard_link("a", "../witness"), "dots");
  expect_refused(TarBuilder{}.hard_link("a", "/etc/passwd"), "absolute");
  Unpacking layer;
  expect_refused(TarBuilder{}.symlink("up", "..").hard_link("a", "up/witness"), "through a link");
  expect_refused(TarBuilder{}.symlink("p", "/etc").hard_link("a", "p/passwd"),
                 "through an absolute link");
  expect_refused(TarBuilder{}.directory("d").hard_link("a", "d"), "directory");
  expect_refused(TarBuilder{}.hard_link("a", "."), "root");
}

TEST(HostileLayer, LinksHardToALinkItselfAndNotToWhereItLeads) {
  Unpacking layer;
  ASSERT_TRUE(
      layer.unpack(TarBuilder{}.symlink("s", layer.outside("witness")).hard_link("h", "s")));
  EXPECT_TRUE(S_ISLNK(layer.stat_of("h").st_mode));
  const auto then = layer.unpack(
      TarBuilder{}.symlink("s", layer.outside("witness")).hard_link("h", "s").file("h", "x"));
  ASSERT_TRUE(then) << then.error().message;
  EXPECT_EQ(test::read_text(layer.outside("witness")), "untouched");
}

TEST(HostileLayer, MakesNoDevices) {
  expect_refused(TarBuilder{}.add({.path = "disk", .type = '4', .major = 8, .minor = 0}), "block");
  expect_refused(TarBuilder{}.add({.path = "mem", .type = '3', .major = 1, .minor = 1}), "memory");
  expect_refused(TarBuilder{}.add({.path = "dev/../mem", .type = '3', .major = 1, .minor = 1}),
                 "dots");
  expect_refused(TarBuilder{}.add({.path = "w", .type = '3'}), "an overlay's own whiteout");
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(TarBuilder{}
                               .add({.path = "dev/sda", .type = '4', .major = 8})
                               .add({.path = "dev/mem", .type = '3', .major = 1, .minor = 1})));
  EXPECT_FALSE(layer.exists("dev/sda"));
  EXPECT_FALSE(layer.exists("dev/mem"));
}

TEST(HostileLayer, HasNoTricksWithWhiteouts) {
  expect_refused(TarBuilder{}.file(".wh."), "of nothing");
  expect_refused(TarBuilder{}.file("d/.wh."), "of nothing, below");
  expect_refused(TarBuilder{}.file(".wh.."), "of itself");
  expect_refused(TarBuilder{}.file(".wh..."), "of the parent");
  expect_refused(TarBuilder{}.file(".wh./evil"), "of a path");
  expect_refused(TarBuilder{}.file(".wh.../evil"), "of a path upwards");
  expect_refused(TarBuilder{}.directory(".wh.d"), "a directory");
  expect_refused(TarBuilder{}.directory(".wh.d").file(".wh.d/x"), "with entries");
  expect_refused(TarBuilder{}.symlink(".wh.s", "/etc"), "a link");
  expect_refused(TarBuilder{}.file(".wh.a").hard_link("b", "a"), "a second name for one");
}

TEST(HostileLayer, CannotWhiteOutThroughALink) {
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(
      TarBuilder{}.symlink("up", "..").file("up/.wh.witness").file("up/.wh..wh..opq")));
  EXPECT_EQ(test::read_text(layer.outside("witness")), "untouched");
  EXPECT_TRUE(layer.is_whiteout("witness"));
}

TEST(HostileLayer, SetsNoAttributesOfTheHost) {
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(TarBuilder{}.add({.path = "d",
                                             .type = '5',
                                             .mode = 0755,
                                             .xattrs = {{"trusted.overlay.redirect", "/etc"},
                                                        {"trusted.overlay.opaque", "y"},
                                                        {"user.overlay.opaque", "y"},
                                                        {"security.selinux", "x"},
                                                        {"trusted.note", "x"}}})));
  EXPECT_EQ(llistxattr(layer.path("d").c_str(), nullptr, 0), 0);
}

TEST(HostileLayer, RefusesOwnersThatMeanNobodyKnowsWho) {
  expect_refused(TarBuilder{}.add({.path = "a", .uid = 4294967295}), "uid");
  expect_refused(TarBuilder{}.add({.path = "a", .gid = 4294967296}), "gid");
}

TEST(HostileLayer, GoesThroughDirectoriesOnly) {
  expect_refused(TarBuilder{}.file("f").file("f/x"), "file");
  expect_refused(TarBuilder{}.symlink("l", "nowhere").file("l/x"), "dangling link");
  expect_refused(TarBuilder{}.symlink("l", "l").file("l/x"), "ring");
  expect_refused(TarBuilder{}.add({.path = "p", .type = '6'}).file("p/x"), "pipe");
}

TEST(HostileLayer, RefusesNamesThatNoFileSystemHas) {
  expect_refused(TarBuilder{}.file(std::string(256, 'a')), "a long name");
  std::string path;
  for (int i = 0; i < 2100; ++i) path += "a/";
  expect_refused(TarBuilder{}.file(path + "x"), "a long path");
  expect_refused(TarBuilder{}.file("."), "a file in the place of the root");
}

TEST(HostileLayer, StopsAtTheLimitOfBytes) {
  Unpacking layer;
  layer.budget.bytes = 10 << 20;
  const auto done = layer.unpack(TarBuilder{}.file("zeros", std::string(64 << 20, '\0')));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, BERTH_NO_CAPACITY) << done.error().message;
  EXPECT_LE(layer.stat_of("zeros").st_size, 10 << 20);
}

TEST(HostileLayer, CountsABombBehindTheArchivesEnd) {
  Unpacking layer;
  layer.budget.bytes = 10 << 20;
  EXPECT_FALSE(layer.unpack(TarBuilder{}.file("a").bytes() + std::string(64 << 20, '\0')));
}

TEST(HostileLayer, StopsAtTheLimitOfEntries) {
  Unpacking layer;
  layer.budget.entries = 100;
  TarBuilder tar;
  for (int i = 0; i < 101; ++i) tar.file("f" + std::to_string(i));
  const auto done = layer.unpack(tar);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, BERTH_NO_CAPACITY);
}

TEST(HostileLayer, CountsTheDirectoriesThatItImplies) {
  Unpacking layer;
  layer.budget.entries = 1000;
  TarBuilder tar;
  for (int i = 0; i < 20; ++i) {
    std::string path = std::to_string(i);
    for (int j = 0; j < 100; ++j) path += "/d";
    tar.file(path + "/f");
  }
  const auto done = layer.unpack(tar);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, BERTH_NO_CAPACITY);
}

TEST(HostileLayer, IsWholeOrRefused) {
  const std::string tar = TarBuilder{}.file("a", std::string(5000, 'x')).bytes();
  for (const std::size_t size :
       {std::size_t{100}, std::size_t{511}, std::size_t{600}, std::size_t{3000}}) {
    Unpacking layer;
    EXPECT_FALSE(layer.unpack(tar.substr(0, size))) << size;
  }
  Unpacking layer;
  std::string damaged = tar;
  damaged[5] = 'Z';  // the header's checksum
  EXPECT_FALSE(layer.unpack(damaged));
}

TEST(HostileLayer, IsWhatItsDiffIdSays) {
  Unpacking layer;
  const int fd = open(layer.path("").c_str(), O_RDONLY | O_DIRECTORY);
  test::Bytes source{TarBuilder{}.file("a").bytes()};
  const auto done = unpack_layer(source, digest_of("something else"), fd, layer.budget);
  close(fd);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, BERTH_INVALID);
}

}  // namespace
}  // namespace berth::runtime::image
