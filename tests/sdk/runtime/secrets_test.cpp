// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sdk/runtime/secrets/directory.hpp"
#include "sdk/runtime/secrets/env_file.hpp"
#include "sdk/runtime/secrets/value_from.hpp"

namespace berth::runtime::secrets {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using Store = ValueFrom::Store;

TEST(ValueFromTest, NamesAParameterByItsNameOrArn) {
  const auto plain = parse_value_from("db-password");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->store, Store::Parameters);
  EXPECT_EQ(plain->id, "db-password");
  EXPECT_EQ(plain->region, "");
  const auto path = parse_value_from("/app/db");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->id, "/app/db");
  EXPECT_EQ(path->name, "app/db");
  const auto arn = parse_value_from("arn:aws:ssm:eu-west-1:123456789012:parameter/app/db");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->store, Store::Parameters);
  EXPECT_EQ(arn->region, "eu-west-1");
  EXPECT_EQ(arn->id, "arn:aws:ssm:eu-west-1:123456789012:parameter/app/db");
  EXPECT_EQ(arn->name, "app/db");
}

TEST(ValueFromTest, NamesASecretAndWhatOfIt) {
  const std::string arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf";
  const auto whole = parse_value_from(arn);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->store, Store::SecretsManager);
  EXPECT_EQ(whole->id, arn);
  EXPECT_EQ(whole->name, "db-AbCdEf");
  const auto part =
      parse_value_from(arn + ":password:AWSPREVIOUS:9d4cb84b-ad69-40c0-a0ab-cead36b967e8");
  ASSERT_TRUE(part);
  EXPECT_EQ(part->id, arn);
  EXPECT_EQ(part->json_key, "password");
  EXPECT_EQ(part->version_stage, "AWSPREVIOUS");
  EXPECT_EQ(part->version_id, "9d4cb84b-ad69-40c0-a0ab-cead36b967e8");
  const auto key = parse_value_from(arn + ":password::");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->json_key, "password");
  EXPECT_EQ(key->version_stage, "");
}

TEST(ValueFromTest, ThatNamesNothingIsRefused) {
  for (const char* text :
       {"", "/", "a b", "arn:aws:s3:::bucket/key", "arn:aws:ssm:r:a:document/x",
        "arn:aws:ssm:r:a:parameter/", "arn:aws:secretsmanager:r:a:secret:",
        "arn:aws:secretsmanager:r:a:secret:n:key", "arn:aws:secretsmanager:r:a:secret:n:k:s:v:x"}) {
    EXPECT_FALSE(parse_value_from(text)) << text;
  }
}

TEST(SecretMember, IsATextAsItIsAndAllElseAsJson) {
  const std::string secret = R"({"user":"admin","port":5432,"on":true,"list":[1,"a"]})";
  EXPECT_EQ(*member_of(secret, ""), secret);
  EXPECT_EQ(*member_of(secret, "user"), "admin");
  EXPECT_EQ(*member_of(secret, "port"), "5432");
  EXPECT_EQ(*member_of(secret, "on"), "true");
  EXPECT_EQ(*member_of(secret, "list"), R"([1,"a"])");
  const auto missing = member_of(secret, "absent");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("did not contain json key absent"));
  const auto no_json = member_of("hunter2", "user");
  ASSERT_FALSE(no_json);
  EXPECT_THAT(no_json.error().message, Not(HasSubstr("hunter2")));
}

TEST(EnvFile, TakesLinesAsTheyAre) {
  EXPECT_THAT(
      parse_env_file("# a comment\nA=1\n\nB=\"quoted\"\nC=x=y\nD= blank \nno line\nE=last\r\nF="),
      ElementsAre(Pair("A", "1"), Pair("B", "\"quoted\""), Pair("C", "x=y"), Pair("D", " blank "),
                  Pair("E", "last")));
  EXPECT_THAT(parse_env_file("A=1\n=2\nB=3\nA=4\n"), ElementsAre(Pair("A", "4"), Pair("B", "3")));
  EXPECT_THAT(parse_env_file("\xEF\xBB\xBF"
                             "A=1"),
              ElementsAre(Pair("A", "1")));
  EXPECT_TRUE(parse_env_file("").empty());
}

TEST(EnvFile, GivesWayToAnEarlierOne) {
  EXPECT_THAT(merge_env_files({{{"A", "first"}}, {{"A", "second"}, {"B", "2"}}}),
              ElementsAre(Pair("A", "first"), Pair("B", "2")));
}

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() { fs::create_directories(root_ / "in/app"); }
  ~DirectoryTest() override { fs::remove_all(root_); }
  void write(const char* name, const std::string& text, mode_t mode = 0600) {
    std::ofstream(root_ / name) << text;
    ::chmod((root_ / name).c_str(), mode);
  }
  static fs::path make_root() {
    std::string path = fs::temp_directory_path() / "berth-secrets-XXXXXX";
    return ::mkdtemp(path.data());
  }
  const fs::path root_ = make_root();
  Directory secrets_{root_ / "in", Directory::Holds::Secrets};
};

TEST_F(DirectoryTest, GivesAFileWithoutTheLineEndAtItsEnd) {
  write("in/app/db", "two\nlines\n\n");
  EXPECT_EQ(*secrets_.read("app/db"), "two\nlines\n");
  const Directory files{root_ / "in", Directory::Holds::Files};
  EXPECT_EQ(*files.read("app/db"), "two\nlines\n\n");
}

TEST_F(DirectoryTest, TellsWhatIsMissing) {
  const auto missing = secrets_.read("absent");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, BERTH_NOT_FOUND);
  EXPECT_EQ(Directory(root_ / "nowhere", Directory::Holds::Secrets).read("x").error().status,
            BERTH_DENIED);
}

TEST_F(DirectoryTest, DoesNotLeaveItself) {
  write("outside", "the secret of somebody else");
  fs::create_symlink(root_ / "outside", root_ / "in/link");
  fs::create_symlink("../../outside", root_ / "in/app/link");
  for (const char* name :
       {"../outside", "app/../../outside", "link", "app/link", "/etc/passwd", ""}) {
    EXPECT_FALSE(secrets_.read(name)) << name;
  }
}

TEST_F(DirectoryTest, RefusesFilesThatOthersMayRead) {
  for (const mode_t mode : {0644, 0640, 0620}) {
    write("in/open", "the-secret", mode);
    const auto read = secrets_.read("open");
    ASSERT_FALSE(read) << mode;
    EXPECT_EQ(read.error().status, BERTH_DENIED);
    EXPECT_THAT(read.error().message, HasSubstr("chmod 600"));
    EXPECT_THAT(read.error().message, Not(HasSubstr("the-secret")));
  }
  EXPECT_TRUE(Directory(root_ / "in", Directory::Holds::Files).read("open"));
}

TEST_F(DirectoryTest, RefusesWhatIsNoFileAndWhatIsTooLarge) {
  ASSERT_EQ(::mkfifo((root_ / "in/pipe").c_str(), 0600), 0);
  EXPECT_EQ(secrets_.read("pipe").error().status, BERTH_DENIED);
  EXPECT_FALSE(secrets_.read("app"));
  write("in/large", std::string(70'000, 'x'));
  EXPECT_EQ(secrets_.read("large").error().status, BERTH_INVALID);
}

}  // namespace
}  // namespace berth::runtime::secrets
