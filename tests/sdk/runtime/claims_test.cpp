// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/claims.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

class Claims : public testing::Test {
 protected:
  Claims() {
    std::string name = (fs::temp_directory_path() / "berth-claims-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  ~Claims() override { fs::remove_all(dir_); }
  TasksConfig agent(const std::string& name, const std::string& bridge, const std::string& parent) {
    TasksConfig config;
    config.data_dir = dir_ / name;
    config.bridge = bridge;
    config.cgroup_parent = parent;
    fs::create_directories(config.data_dir);
    return config;
  }
  sdk::Result<Claimed> claim(const TasksConfig& config) {
    return claim_names(config, dir_ / "claims");
  }

  fs::path dir_;
};

TEST_F(Claims, AreAgainAndAgainTheSameAgents) {
  const auto one = agent("one", "br0", "slice/berth");
  EXPECT_TRUE(claim(one));
  EXPECT_TRUE(claim(one));
}

TEST_F(Claims, OfAnotherAgentAreRefusedByKeyAndName) {
  ASSERT_TRUE(claim(agent("one", "br0", "berth")));
  const auto bridge = claim(agent("two", "br0", "other"));
  ASSERT_FALSE(bridge);
  EXPECT_EQ(bridge.error().status, BERTH_PRECONDITION);
  EXPECT_EQ(bridge.error().message,
            "bridge 'br0' is used by another agent of this machine, that of " +
                (dir_ / "one").string() + ": give each agent its own");
  const auto group = claim(agent("two", "br1", "berth"));
  ASSERT_FALSE(group);
  EXPECT_EQ(group.error().field, "cgroup_parent");
  // What was refused has claimed nothing.
  EXPECT_TRUE(claim(agent("three", "br1", "third")));
}

TEST_F(Claims, OfARefusedAgentAreTakenBackAndThoseOfItsDirectoryBeforeStay) {
  const auto one = agent("one", "br0", "berth");
  ASSERT_TRUE(claim(one));
  const auto other_bridge = agent("one", "br1", "berth");
  const auto claimed = claim(other_bridge);
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->size(), 1U) << "the cgroup was its own already";
  take_back(*claimed);
  EXPECT_TRUE(claim(agent("two", "br1", "other")));
  EXPECT_FALSE(claim(agent("three", "br0", "third")));
}

TEST_F(Claims, SayWhyTheyCannotBeLocked) {
  std::filesystem::create_directories(dir_ / "claims" / "lock");
  const auto refused = claim(agent("one", "br0", "berth"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("lock: Is a directory"), std::string::npos)
      << refused.error().message;
}

TEST_F(Claims, EndWithTheirReleaseOrTheirDirectory) {
  const auto one = agent("one", "br0", "berth");
  const auto two = agent("two", "br0", "berth");
  ASSERT_TRUE(claim(one));
  release_names(two, dir_ / "claims");  // not its own
  EXPECT_FALSE(claim(two));
  release_names(one, dir_ / "claims");
  EXPECT_TRUE(claim(two));
  fs::remove_all(two.data_dir);
  EXPECT_TRUE(claim(one));
}

}  // namespace
}  // namespace berth::runtime
