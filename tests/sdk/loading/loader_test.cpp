// SPDX-License-Identifier: Apache-2.0
#include "sdk/loading/loader.hpp"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace berth::loading {
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
  sdk::Error refusal(const fs::path& path) {
    const auto loaded = loader.load(path);
    EXPECT_FALSE(loaded);
    return loaded ? sdk::Error{} : loaded.error();
  }

  fs::path directory;
  Loader loader;
};

TEST_F(LoaderTest, LoadsASoundPluginOnce) {
  const auto first = loader.load(BERTH_BROKEN_DIR "/libminimal.so");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ((*first)->name(), "minimal");
  EXPECT_EQ((*first)->version(), "1.0.0");
  EXPECT_EQ(loader.load(BERTH_BROKEN_DIR "/../broken/libminimal.so").value(), *first);
}

TEST_F(LoaderTest, RefusesASecondFileOfTheSameName) {
  ASSERT_TRUE(loader.load(BERTH_BROKEN_DIR "/libminimal.so"));
  const sdk::Error error = refusal(copy(BERTH_BROKEN_DIR "/libminimal.so", "libother.so"));
  EXPECT_EQ(error.status, BERTH_ALREADY_EXISTS);
  EXPECT_THAT(error.message, HasSubstr("libminimal.so"));
}

TEST_F(LoaderTest, RefusesAFileThatOthersMayWrite) {
  const fs::path path = copy(BERTH_BROKEN_DIR "/libminimal.so", "libx.so");
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  const sdk::Error error = refusal(path);
  EXPECT_EQ(error.status, BERTH_DENIED);
  EXPECT_THAT(error.message, HasSubstr("may be written by everyone"));
}

TEST_F(LoaderTest, RefusesAFileInADirectoryThatOthersMayWrite) {
  const fs::path path = copy(BERTH_BROKEN_DIR "/libminimal.so", "libx.so");
  ASSERT_EQ(::chmod(directory.c_str(), 0777), 0);
  const sdk::Error error = refusal(path);
  EXPECT_EQ(error.status, BERTH_DENIED);
  EXPECT_THAT(error.message, HasSubstr("its directory"));
}

TEST_F(LoaderTest, RefusesAFileOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path path = copy(BERTH_BROKEN_DIR "/libminimal.so", "libx.so");
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  const sdk::Error error = refusal(path);
  EXPECT_EQ(error.status, BERTH_DENIED);
  EXPECT_THAT(error.message, HasSubstr("belongs to user 65534"));
}

TEST_F(LoaderTest, RefusesWhatIsNotThereOrNoLibraryWithTheLinkersWords) {
  EXPECT_EQ(refusal(directory / "nothing.so").status, BERTH_NOT_FOUND);
  EXPECT_EQ(refusal(directory).status, BERTH_INVALID);
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
  const sdk::Error major = refusal(BERTH_BROKEN_DIR "/libwrong_major.so");
  EXPECT_EQ(major.status, BERTH_PRECONDITION);
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

}  // namespace
}  // namespace berth::loading
