// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/loader.hpp"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "berth/v1/plugin.pb.h"
#include "core/plugins/manifest.hpp"

namespace berth::plugins {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    std::string name = (fs::temp_directory_path() / "berth-loader-XXXXXX").string();
    directory = ::mkdtemp(name.data());
  }
  ~LoaderTest() override { fs::remove_all(directory); }

  fs::path copy(const char* source, const char* name) {
    fs::copy_file(source, directory / name);
    return directory / name;
  }
  Error refusal(const fs::path& path) {
    const auto loaded = loader.load(path);
    EXPECT_FALSE(loaded);
    return loaded ? Error{} : loaded.error();
  }

  fs::path directory;
  Loader loader;
};

TEST_F(LoaderTest, LoadsASoundPluginOnce) {
  const auto first = loader.load(BERTH_BROKEN_DIR "/libminimal.so");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ((*first)->name().str(), "minimal");
  EXPECT_EQ((*first)->version(), "1.0.0");
  EXPECT_EQ(loader.load(BERTH_BROKEN_DIR "/../broken/libminimal.so").value(), *first);
}

TEST_F(LoaderTest, RefusesASecondFileOfTheSameName) {
  ASSERT_TRUE(loader.load(BERTH_BROKEN_DIR "/libminimal.so"));
  const Error error = refusal(copy(BERTH_BROKEN_DIR "/libminimal.so", "libother.so"));
  EXPECT_EQ(error.code, Errc::AlreadyExists);
  EXPECT_THAT(error.message, HasSubstr("libminimal.so"));
}

TEST_F(LoaderTest, RefusesAFileThatOthersMayWrite) {
  const fs::path path = copy(BERTH_BROKEN_DIR "/libminimal.so", "libx.so");
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  const Error error = refusal(path);
  EXPECT_EQ(error.code, Errc::Denied);
  EXPECT_THAT(error.message, HasSubstr("may be written by everyone"));
}

TEST_F(LoaderTest, RefusesAFileInADirectoryThatOthersMayWrite) {
  const fs::path path = copy(BERTH_BROKEN_DIR "/libminimal.so", "libx.so");
  ASSERT_EQ(::chmod(directory.c_str(), 0777), 0);
  const Error error = refusal(path);
  EXPECT_EQ(error.code, Errc::Denied);
  EXPECT_THAT(error.message, HasSubstr("its directory"));
}

TEST_F(LoaderTest, RefusesAFileOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path path = copy(BERTH_BROKEN_DIR "/libminimal.so", "libx.so");
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  const Error error = refusal(path);
  EXPECT_EQ(error.code, Errc::Denied);
  EXPECT_THAT(error.message, HasSubstr("belongs to user 65534"));
}

TEST_F(LoaderTest, RefusesWhatIsNotThereOrNoLibraryWithTheLinkersWords) {
  EXPECT_EQ(refusal(directory / "nothing.so").code, Errc::NotFound);
  EXPECT_EQ(refusal(directory).code, Errc::Invalid);
  std::ofstream(directory / "text.so") << "text";
  EXPECT_THAT(refusal(directory / "text.so").message, HasSubstr("file too short"));
  EXPECT_THAT(refusal(BERTH_BROKEN_DIR "/libundefined_symbol.so").message,
              HasSubstr("nobody_has_this"));
}

TEST_F(LoaderTest, RefusesATableThatIsNotSound) {
  EXPECT_THAT(refusal(BERTH_BROKEN_DIR "/libno_symbol.so").message, HasSubstr("berth_plugin_v1"));
  EXPECT_THAT(refusal(BERTH_BROKEN_DIR "/libshort_table.so").message, HasSubstr("has 16 bytes"));
  EXPECT_THAT(refusal(BERTH_BROKEN_DIR "/libnull_slot.so").message, HasSubstr("cancel is null"));
  EXPECT_THAT(refusal(BERTH_BROKEN_DIR "/libbad_name.so").message, HasSubstr("name"));
  EXPECT_THAT(refusal(BERTH_BROKEN_DIR "/liblong_version.so").message, HasSubstr("version"));
  const Error major = refusal(BERTH_BROKEN_DIR "/libwrong_major.so");
  EXPECT_EQ(major.code, Errc::Precondition);
  EXPECT_THAT(major.message, HasSubstr("ABI 2.0; this Berth has ABI 1"));
}

TEST_F(LoaderTest, FindsAPluginByNameAndSaysWhereItLooked) {
  copy(BERTH_BROKEN_DIR "/libminimal.so", "libberth-ec2.so");
  EXPECT_EQ(Loader::find("ec2", {directory}).value(), directory / "libberth-ec2.so");
  const auto missing = Loader::find("gpu", {directory});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr((directory / "libberth-gpu.so").string()));
}

TEST_F(LoaderTest, SearchesDirectoriesInOrderAndPassesOverMissingOnes) {
  std::ofstream(directory / "b.so");
  std::ofstream(directory / "a.so");
  std::ofstream(directory / "a.txt");
  EXPECT_THAT(Loader::search({"/nonexistent", directory}),
              ElementsAre(directory / "a.so", directory / "b.so"));
}

class ManifestTest : public LoaderTest {
 protected:
  ManifestTest() : library(loader.load(BERTH_BROKEN_DIR "/libminimal.so").value()) {
    manifest.set_name("minimal");
    manifest.set_version("1.0.0");
    v1::Interface& registry = *manifest.add_interfaces();
    registry.set_id("berth.registry/1");
    registry.add_methods(0x300);
    registry.add_methods(0x301);
    registry.add_registry_hosts("*");
  }
  std::string refusal() {
    const auto checked = check_manifest(manifest, *library);
    return checked ? "" : checked.error().message;
  }

  LibraryPtr library;
  v1::Manifest manifest;
};

TEST_F(ManifestTest, IsTakenWithInterfacesMethodsAndFeaturesThatAreNotKnown) {
  manifest.add_interfaces()->set_id("vendor.example/3");
  manifest.mutable_interfaces(0)->add_methods(0x3ff);
  manifest.add_features()->set_name("teleport");
  EXPECT_EQ(refusal(), "");
  EXPECT_NE(find_interface(manifest, kRegistry), nullptr);
  EXPECT_EQ(find_interface(manifest, kLaunch), nullptr);
}

TEST_F(ManifestTest, MustSayWhatTheTableSays) {
  manifest.set_version("2");
  EXPECT_THAT(refusal(), HasSubstr("says version '2', its table '1.0.0'"));
}

TEST_F(ManifestTest, MustNameAKnownInterfaceAndNoneTwice) {
  manifest.add_interfaces()->set_id("berth.registry/1");
  EXPECT_THAT(refusal(), HasSubstr("twice"));
  manifest.clear_interfaces();
  EXPECT_THAT(refusal(), HasSubstr("no interface that this Berth knows"));
}

TEST_F(ManifestTest, MustOfferWhatItsInterfaceDemandsAndSayWhatItServes) {
  manifest.mutable_interfaces(0)->clear_registry_hosts();
  EXPECT_THAT(refusal(), HasSubstr("serves no registry host"));
  manifest.mutable_interfaces(0)->set_id("berth.launch/1");
  EXPECT_THAT(refusal(), HasSubstr("METHOD_LAUNCH_PLAN"));
}

}  // namespace
}  // namespace berth::plugins
