// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/unpack.hpp"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tests/sdk/runtime/image/unpacking.hpp"

namespace berth::runtime::image {
namespace {

using test::TarBuilder;
using test::TarEntry;

std::string xattr(const std::string& path, const char* name) {
  char value[256];
  const ssize_t size = lgetxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "none" : std::string(value, static_cast<std::size_t>(size));
}

bool is_opaque(const std::string& path) {
  return xattr(path, "trusted.overlay.opaque") == "y";
}

TEST(Unpack, KeepsWhatALayerSays) {
  Unpacking layer;
  const std::string capability{
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20};
  TarBuilder tar;
  tar.directory("etc", 0750)
      .add({.path = "etc/secret",
            .content = "hush",
            .mode = 04711,
            .uid = 1234,
            .gid = 4321,
            .mtime = 1600000000})
      .add({.path = "ping",
            .content = "x",
            .mode = 0755,
            .xattrs = {{"security.capability", capability}, {"user.note", "hi"}}})
      .symlink("link", "/etc/secret")
      .hard_link("etc/same", "etc/secret")
      .add({.path = "pipe", .type = '6', .mode = 0600})
      .file(std::string(240, 'n'), "long name")
      .file("caf\xc3\xa9", "utf-8")
      .file("raw\xff\xfe", "bytes")
      .add({.path = "dev/null", .type = '3', .mode = 0666, .major = 1, .minor = 3});
  const auto done = layer.unpack(tar);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(test::read_text(layer.path("etc/secret")), "hush");
  const auto secret = layer.stat_of("etc/secret");
  EXPECT_EQ(secret.st_mode & 07777, 04711u);
  EXPECT_EQ(secret.st_uid, 1234u);
  EXPECT_EQ(secret.st_gid, 4321u);
  EXPECT_EQ(secret.st_mtime, 1600000000);
  EXPECT_EQ(secret.st_nlink, 2u);
  EXPECT_EQ(secret.st_ino, layer.stat_of("etc/same").st_ino);
  EXPECT_EQ(layer.stat_of("etc").st_mode & 07777, 0750u);
  EXPECT_EQ(layer.stat_of("etc").st_mtime, 1700000000);
  EXPECT_EQ(xattr(layer.path("ping"), "security.capability"), capability);
  EXPECT_TRUE(S_ISLNK(layer.stat_of("link").st_mode));
  EXPECT_TRUE(S_ISFIFO(layer.stat_of("pipe").st_mode));
  EXPECT_EQ(test::read_text(layer.path(std::string(240, 'n'))), "long name");
  EXPECT_EQ(test::read_text(layer.path("caf\xc3\xa9")), "utf-8");
  EXPECT_EQ(test::read_text(layer.path("raw\xff\xfe")), "bytes");
  EXPECT_EQ(layer.stat_of("dev/null").st_rdev, makedev(1, 3));
  EXPECT_EQ(done->bytes, tar.bytes().size());
}

TEST(Unpack, LetsALaterEntryReplaceAnEarlierOne) {
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(TarBuilder{}
                               .file("a", "old")
                               .file("a", "new")
                               .directory("d")
                               .directory("d/sub")
                               .file("d/sub/x")
                               .file("d", "now a file")
                               .file("e")
                               .directory("e", 0700)
                               .file("e/inside")));
  EXPECT_EQ(test::read_text(layer.path("a")), "new");
  EXPECT_EQ(test::read_text(layer.path("d")), "now a file");
  EXPECT_TRUE(layer.exists("e/inside"));
}

TEST(Unpack, RemovesADirectoryHoweverDeepToReplaceIt) {
  Unpacking layer;
  TarBuilder tar;
  std::string path = "d";
  for (int i = 0; i < 1200; ++i) path += "/x";
  tar.file(path + "/leaf").file("d/.berth-removed-0/x").file("d", "flat");
  const auto done = layer.unpack(tar);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(test::read_text(layer.path("d")), "flat");
}

TEST(Unpack, TurnsWhiteoutsIntoOverlays) {
  Unpacking layer;
  const auto done = layer.unpack(
      TarBuilder{}.directory("dir").file("dir/.wh.gone").file(".wh.top").file("dir/.wh..wh..opq"));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(layer.is_whiteout("dir/gone"));
  EXPECT_TRUE(layer.is_whiteout("top"));
  EXPECT_TRUE(is_opaque(layer.path("dir")));
  EXPECT_FALSE(layer.exists("dir/.wh.gone"));
  EXPECT_FALSE(layer.exists("dir/.wh..wh..opq"));
  EXPECT_FALSE(done->opaque);
}

TEST(Unpack, HidesTheOldContentOfADirectoryMadeAnew) {
  for (const bool whiteout_first : {true, false}) {
    Unpacking layer;
    TarBuilder tar;
    if (whiteout_first) tar.file(".wh.d");
    tar.directory("d").file("d/new");
    if (!whiteout_first) tar.file(".wh.d");
    ASSERT_TRUE(layer.unpack(tar));
    EXPECT_TRUE(layer.exists("d/new")) << whiteout_first;
    EXPECT_TRUE(is_opaque(layer.path("d"))) << whiteout_first;
  }
}

TEST(Unpack, HidesTheOldContentBelowAnImpliedDirectory) {
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(TarBuilder{}.file(".wh.d").file("d/new")));
  EXPECT_TRUE(is_opaque(layer.path("d")));
}

TEST(Unpack, KeepsAFileThatItsOwnLayerAlsoWhitesOut) {
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(TarBuilder{}.file("f", "mine").file(".wh.f")));
  EXPECT_EQ(test::read_text(layer.path("f")), "mine");
}

TEST(Unpack, TellsOfAnOpaqueRoot) {
  Unpacking layer;
  const auto done = layer.unpack(TarBuilder{}.file(".wh..wh..opq").file("a"));
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->opaque);
}

TEST(Unpack, SkipsWhatAufsLeft) {
  Unpacking layer;
  ASSERT_TRUE(layer.unpack(TarBuilder{}
                               .directory(".wh..wh.plnk")
                               .file(".wh..wh.plnk/1.2")
                               .file(".wh..wh.aufs")
                               .hard_link(".wh.a", ".wh..wh.aufs")));
  EXPECT_FALSE(layer.exists(".wh..wh.plnk"));
  EXPECT_TRUE(layer.is_whiteout("a"));
}

TEST(Unpack, NamesDirectoriesThatNoEntryDescribes) {
  Unpacking layer;
  const auto done = layer.unpack(TarBuilder{}.file("a/b/c").directory("a", 0700).file("x/y"));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->implied, (std::set<std::string>{"a/b", "x"}));
  EXPECT_EQ(layer.stat_of("x").st_mode & 07777, 0755u);
}

TEST(Unpack, TakesZstdAndPlainTars) {
  const std::string tar = TarBuilder{}.file("a", "b").bytes();
  for (const std::string& blob : {test::zstd(tar), tar}) {
    Unpacking layer;
    const int fd = open(layer.path("").c_str(), O_RDONLY | O_DIRECTORY);
    test::Bytes source{blob, 100};
    EXPECT_TRUE(unpack_layer(source, digest_of(tar), fd, layer.budget));
    close(fd);
    EXPECT_EQ(test::read_text(layer.path("a")), "b");
  }
}

TEST(Unpack, HashesWhatFollowsTheArchive) {
  Unpacking layer;
  EXPECT_TRUE(layer.unpack(TarBuilder{}.file("a").bytes() + std::string(20480, '\0')));
  EXPECT_TRUE(layer.exists("a"));
}

TEST(Unpack, TakesALayerOfNothing) {
  Unpacking layer;
  EXPECT_TRUE(layer.unpack(std::string(1024, '\0')));
}

}  // namespace
}  // namespace berth::runtime::image
