// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/plugins/ec2/ec2_fixture.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

class Ec2Settings : public Ec2Test {
 protected:
  std::string refused(const std::string& key, const std::string& value) {
    v1::PluginConfig wrong = config();
    (*wrong.mutable_settings())[key] = value;
    const auto begun = plugin.begin(wrong);
    if (begun) return "accepted";
    return begun.error().message + plugin.log();
  }
};

TEST_F(Ec2Settings, RefusesAnUnknownKeyByName) {
  EXPECT_THAT(refused("lisen", "127.0.0.1:0"), HasSubstr("unknown key 'lisen'"));
}
TEST_F(Ec2Settings, RefusesAnAddressThatIsNone) { EXPECT_THAT(refused("listen", "here"), HasSubstr("'here' is not of the form HOST:PORT")); }
TEST_F(Ec2Settings, RefusesToCallAHostDeadBeforeItCouldSpeak) {
  EXPECT_THAT(refused("heartbeat_ms", "4000"), HasSubstr("less than two heartbeats"));
}
TEST_F(Ec2Settings, RefusesCertificatesThatExpireBeforeTheyCouldBeRenewed) {
  v1::PluginConfig wrong = config();
  (*wrong.mutable_settings())["heartbeat_ms"] = "1000";
  (*wrong.mutable_settings())["certificate_lifetime_seconds"] = "5";
  const auto begun = plugin.begin(wrong);
  ASSERT_FALSE(begun);
  EXPECT_THAT(begun.error().message + plugin.log(), HasSubstr("it is less than six heartbeats"));
}
TEST_F(Ec2Settings, RefusesTextWhereANumberBelongs) { EXPECT_THAT(refused("max_nodes", "many"), HasSubstr("max_nodes")); }

TEST_F(Ec2Settings, WritesItsPortAndTakesItAgain) {
  plugin.activate(config());
  const std::string first = read("ec2.port");
  EXPECT_GT(std::atoi(first.c_str()), 0);
  EXPECT_THAT(read("plugins/ec2/join-token"), HasSubstr("berth1:"));
  plugin.end();
  plugin.activate(config());
  EXPECT_EQ(read("ec2.port"), first);
}

TEST_F(Ec2Settings, TakesAnotherPortWhereTheOldOneIsGone) {
  plugin.activate(config());
  const std::string first = read("ec2.port");
  Harness second(BERTH_EC2);
  auto other = config();
  other.set_data_dir(dir_ / "other");
  second.activate(other);  // finds the first one's port file, and its port taken
  EXPECT_NE(read("ec2.port"), first);
  EXPECT_THAT(second.log(), HasSubstr("must be told the new port"));
}

TEST_F(Ec2Settings, FailsToActivateWhereItMayNotListen) {
  plugin.activate(config());
  auto named = config();
  (*named.mutable_settings())["listen"] = "127.0.0.1:" + read("ec2.port");
  named.set_data_dir(dir_ / "other");
  Harness second(BERTH_EC2);
  ASSERT_TRUE(second.begin(named));
  std::optional<Result<void>> end;
  second.instance().activate({}, [&](Result<void> result) { end = std::move(result); });
  ASSERT_TRUE(second.until([&] { return end.has_value(); }));
  ASSERT_FALSE(*end);
  EXPECT_THAT(end->error().message, HasSubstr("cannot listen"));
}

}  // namespace
}  // namespace berth::test
