// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/runtime/image/rootfs.hpp"
#include "tests/sdk/runtime/image/pulling.hpp"

namespace berth::runtime::image {
namespace {

using test::build_image;
using test::gzip_layer;
using test::TarBuilder;

// Mounts need CAP_SYS_ADMIN; tests/run has it, a developer's shell may not.
class Mount : public Pulling {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    Pulling::SetUp();
  }
  std::string mount(const std::vector<test::BuiltLayer>& layers, RootfsOptions how = {}) {
    registry_.push("a", "v1", build_image({.layers = layers}));
    const auto image = pull("a:v1");
    EXPECT_TRUE(image) << image.error().message;
    image_ = *image;
    const auto rootfs = mount_rootfs(image_, dir_ / "task", how);
    EXPECT_TRUE(rootfs) << rootfs.error().message;
    return *rootfs;
  }
  static bool exists(const std::string& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0;
  }
  static unsigned mode(const std::string& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }
  Image image_;
};

TEST_F(Mount, ShowsLayersInOrderWithWhiteouts) {
  const std::string root = mount({gzip_layer(TarBuilder{}
                                                 .file("same", "low")
                                                 .file("gone")
                                                 .directory("d")
                                                 .file("d/old")
                                                 .directory("e")
                                                 .file("e/old")
                                                 .bytes()),
                                  gzip_layer(TarBuilder{}
                                                 .file("same", "high")
                                                 .file(".wh.gone")
                                                 .directory("d")
                                                 .file("d/.wh..wh..opq")
                                                 .file("d/new")
                                                 .directory("e")
                                                 .bytes())});
  EXPECT_EQ(test::read_text(root + "/same"), "high");
  EXPECT_FALSE(exists(root + "/gone"));
  EXPECT_FALSE(exists(root + "/d/old"));
  EXPECT_TRUE(exists(root + "/d/new"));
  EXPECT_TRUE(exists(root + "/e/old"));
  test::write_text(root + "/same", "changed");
  EXPECT_EQ(test::read_text(image_.layers[1] + "/same"), "high")
      << "a container wrote into a layer";
  EXPECT_TRUE(remove_rootfs(dir_ / "task"));
  EXPECT_FALSE(exists(dir_ / "task"));
}

TEST_F(Mount, DropsWhatLiesBelowAnOpaqueRoot) {
  const std::string root =
      mount({gzip_layer(TarBuilder{}.file("old").bytes()),
             gzip_layer(TarBuilder{}.file(".wh..wh..opq").file("new").bytes())});
  EXPECT_EQ(image_.layers.size(), 1u);
  EXPECT_FALSE(exists(root + "/old"));
  EXPECT_TRUE(exists(root + "/new"));
}

TEST_F(Mount, GivesImpliedDirectoriesTheAttributesOfTheLayerBelow) {
  const std::string root = mount(
      {gzip_layer(TarBuilder{}
                      .directory("tmp", 01777)
                      .directory("srv", 0700)
                      .directory("srv/data", 0711)
                      .directory("fresh", 0700)
                      .bytes()),
       gzip_layer(TarBuilder{}.file("tmp/file").file("srv/data/file").file(".wh.fresh").bytes()),
       gzip_layer(TarBuilder{}.file("fresh/file").bytes())});
  EXPECT_EQ(mode(root + "/tmp"), 01777u);
  EXPECT_EQ(mode(root + "/srv"), 0700u);
  EXPECT_EQ(mode(root + "/srv/data"), 0711u);
  EXPECT_TRUE(exists(root + "/srv/data/file"));
  EXPECT_EQ(mode(root + "/fresh"), 0755u) << "took the attributes of what had been deleted";
}

TEST_F(Mount, TakesTheSameLayerTwice) {
  const auto same = gzip_layer(TarBuilder{}.file("x").bytes());
  const std::string root = mount({same, gzip_layer(TarBuilder{}.file("y").bytes()), same});
  EXPECT_TRUE(exists(root + "/x"));
  EXPECT_TRUE(exists(root + "/y"));
}

TEST_F(Mount, TakesAsManyLayersAsAnImageMayHave) {
  std::vector<test::BuiltLayer> layers;
  for (int i = 0; i < 127; ++i)
    layers.push_back(gzip_layer(TarBuilder{}.file("f" + std::to_string(i)).bytes()));
  const std::string root = mount(layers);
  for (int i = 0; i < 127; ++i) EXPECT_TRUE(exists(root + "/f" + std::to_string(i)));
}

TEST_F(Mount, CanBeReadOnly) {
  const std::string root = mount({gzip_layer(TarBuilder{}.file("x").bytes())}, {.read_only = true});
  EXPECT_LT(open((root + "/new").c_str(), O_CREAT | O_WRONLY, 0600), 0);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(Mount, IsKeptWhereItIsMountedAlready) {
  const std::string root = mount({gzip_layer(TarBuilder{}.file("x").bytes())});
  test::write_text(root + "/mine", "kept");
  const auto again = mount_rootfs(image_, dir_ / "task");
  ASSERT_TRUE(again);
  EXPECT_EQ(test::read_text(*again + "/mine"), "kept");
  ASSERT_TRUE(unmount_rootfs(dir_ / "task"));
  EXPECT_FALSE(exists(root + "/x")) << "there had been two mounts";
  ASSERT_TRUE(unmount_rootfs(dir_ / "task"));
  // After a restart of the host the same upper is mounted anew.
  ASSERT_TRUE(mount_rootfs(image_, dir_ / "task"));
  EXPECT_EQ(test::read_text(root + "/mine"), "kept");
}

TEST_F(Mount, GoesAlsoWhileBusy) {
  const std::string root = mount({gzip_layer(TarBuilder{}.file("x").bytes())});
  const int held = open((root + "/busy").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(held, 0);
  EXPECT_TRUE(unmount_rootfs(dir_ / "task"));
  EXPECT_FALSE(exists(root + "/x"));
  close(held);
}

TEST_F(Mount, ManagesPathsThatMountOptionsCannotHold) {
  registry_.push("a", "v1", build_image({.layers = {gzip_layer(TarBuilder{}.file("x").bytes())}}));
  const auto image = pull("a:v1");
  ASSERT_TRUE(image);
  const std::string odd = dir_ / "odd,name:with\\signs";
  const auto root = mount_rootfs(*image, odd);
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_TRUE(exists(*root + "/x"));
  EXPECT_TRUE(remove_rootfs(odd));
}

}  // namespace
}  // namespace berth::runtime::image
