// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/plugins/fargate/fargate_fixture.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

class FargateSettings : public FargateTest {
 protected:
  std::string refused(const std::string& key, const std::string& value) {
    v1::PluginConfig wrong = config();
    (*wrong.mutable_settings())[key] = value;
    const auto begun = plugin.begin(wrong);
    return begun ? "accepted" : begun.error().message + plugin.log();
  }
};

TEST_F(FargateSettings, OfPoolsAreRefusedByKeyWhereTheyMakeNoSense) {
  EXPECT_THAT(refused("pools.a.sandbox", "chroot"),
              HasSubstr("pools.a.sandbox: 'chroot' is neither user-namespace nor runsc"));
  EXPECT_THAT(refused("pools.a.size", "1"),
              HasSubstr("pools.a.size: a pool has a sandbox and nothing else"));
  EXPECT_THAT(refused("pool", "a"), HasSubstr("unknown key 'pool'"));
}

TEST_F(FargateSettings, OfPoolsAreTaken) {
  v1::PluginConfig fine = config();
  (*fine.mutable_settings())["pools.strong.sandbox"] = "runsc";
  (*fine.mutable_settings())["pools.default.sandbox"] = "user-namespace";
  EXPECT_TRUE(plugin.begin(fine));
}

TEST_F(FargateSettings, ListensWithoutAnyAndTellsItsPort) {
  plugin.activate(config());
  EXPECT_TRUE(std::filesystem::exists(dir_ / "fargate.port"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "join-token"));
}

}  // namespace
}  // namespace berth::test
