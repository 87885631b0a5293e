// SPDX-License-Identifier: Apache-2.0
// The plugin with an agent: another process over the real connection.
#include <gmock/gmock.h>

#include <fstream>
#include <memory>
#include <optional>

#include "tests/plugins/agent_process.hpp"
#include "tests/plugins/fargate/fargate_fixture.hpp"

namespace berth::test {
namespace {

class FargateFleet : public FargateTest {
 protected:
  void SetUp() override { plugin.activate(config()); }
  [[nodiscard]] std::string read(const char* name) const {
    std::ifstream file(dir_ / name);
    std::string line;
    std::getline(file, line);
    return line;
  }
  // As the plugin has told of it last.
  [[nodiscard]] std::optional<v1::Node> newest(const std::string& id) const {
    std::optional<v1::Node> found;
    for (const auto& delta : plugin.deltas) {
      for (const auto& node : delta.upserts()) {
        if (node.id() == id) found = node;
      }
    }
    return found;
  }
};

TEST_F(FargateFleet, KnowsAHostThatIsNotFitForItsPoolAndOffersItToNobody) {
  // It tells neither sandbox nor limits.
  AgentProcess agent(read("fargate.port"), read("join-token"), dir_ / "agent");
  const std::string line = agent.line("connected ");
  ASSERT_GT(line.size(), 10U);
  const std::string id = line.substr(10);
  ASSERT_TRUE(plugin.until([&] { return newest(id).has_value(); }));
  EXPECT_FALSE(newest(id)->connected());
  EXPECT_THAT(plugin.log(), ::testing::HasSubstr("the host " + id + " gets no tasks: "));
  EXPECT_THAT(plugin.log(), ::testing::HasSubstr("set [user_namespaces] of its agent"));
}

}  // namespace
}  // namespace berth::test
