// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/daemon/config_placement.hpp"

namespace berth::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Config, IsWhatTheDesignSaysWithoutAFile) {
  const auto config = parse_config("", "t");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->data_dir, "/var/lib/berth");
  EXPECT_EQ(config->api.port, 5080);
  EXPECT_EQ(config->account, "000000000000");
}

TEST(Config, ReadsEveryKey) {
  const auto config = parse_config(R"(
data_dir = "/d"
api = "[::1]:99"
region = "eu-west-1"
account = "123456789012"
default_cluster = "prod"
stopped_task_retention_seconds = 7200
tls_certificate = "/c"
tls_key = "/k"
log_level = "debug"
plugin_dirs = ["/p"]
[agent]
cpu = 512
memory = 1024
attributes = ["rack=1", "disk=ssd"]
[[access_key]]
id = "AK"
secret = "s"
[plugins.ec2]
listen = "0.0.0.0:5081"
[plugins.other]
enabled = false
path = "/x.so"
)",
                                   "t");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->api.host, "::1");
  EXPECT_EQ(config->api.port, 99);
  EXPECT_EQ(config->stopped_task_retention.count(), 7200);
  EXPECT_THAT(describe(*config), HasSubstr(R"("cpu":512)"));
  EXPECT_THAT(describe(*config), HasSubstr(R"("attributes":["rack=1","disk=ssd"])"));
  EXPECT_EQ(config->access_keys.at(0).secret, "s");
  EXPECT_EQ(config->plugins.at("ec2").settings.at("listen"), "0.0.0.0:5081");
  EXPECT_FALSE(config->plugins.at("other").enabled);
  EXPECT_EQ(config->plugins.at("other").path, "/x.so");
}

TEST(Config, ReadsStrategiesBeyondEcsAndWhatTheyMeasureBy) {
  const auto config = parse_config(R"(
[placement]
strategies = ["fragmentation", "affinity"]
[[placement.default_strategy]]
type = "bestFit"
field = "cpu,memory"
[[placement.expected_task]]
cpu = 4000
gpu_milli = 500
models = ["A100"]
weight = 3
[[placement.expected_task]]
gpus = 2
)",
                                   "t");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->placement.strategies.size(), 2u);
  EXPECT_EQ(config->placement.default_strategies.at(0).field, "cpu,memory");
  const auto expected = expected_tasks(config->placement);
  ASSERT_EQ(expected.size(), 2u);
  EXPECT_EQ(expected[0].share_milli, 500);
  EXPECT_EQ(expected[0].weight, 3);
  EXPECT_EQ(expected[1].devices, 2);
  EXPECT_EQ(expected[1].share_milli, 1000);
  EXPECT_THAT(describe(*config), HasSubstr(R"("strategies":["fragmentation","affinity"])"));
}

TEST(Config, BoundsWhatThePlacementEngineKeeps) {
  const auto config = parse_config("[placement]\ncount_cache_mib = 8\nscore_cache_mib = 0", "t");
  ASSERT_TRUE(config) << config.error().message;
  const auto options = engine_options(config->placement);
  EXPECT_EQ(options.cache_bytes, std::size_t{8} << 20);
  EXPECT_EQ(options.score_cache_bytes, 0u);
  EXPECT_THAT(describe(*config), HasSubstr(R"("count_cache_mib":8,"score_cache_mib":0)"));
  const auto unsaid = engine_options({});
  EXPECT_EQ(unsaid.cache_bytes, placement::EngineOptions{}.cache_bytes);
  EXPECT_EQ(unsaid.score_cache_bytes, placement::EngineOptions{}.score_cache_bytes);
  const auto refused = parse_config("[placement]\nscore_cache_mib = -1", "t");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("placement.score_cache_mib"));
}

TEST(Config, RefusesStrategiesThatCannotHold) {
  const auto message = [](const std::string& text) {
    const auto config = parse_config("[placement]\n" + text, "t");
    return config ? "accepted" : config.error().message;
  };
  EXPECT_THAT(message("strategies = [\"worstFit\"]"), HasSubstr("'worstFit'"));
  EXPECT_THAT(message("strategies = [\"spread\"]"), HasSubstr("always allowed"));
  EXPECT_THAT(message("strategies = [\"fragmentation\"]"), HasSubstr("name them"));
  EXPECT_THAT(message("[[placement.default_strategy]]\ntype = \"affinity\""),
              HasSubstr("t:3: placement.default_strategy.type"));
  EXPECT_THAT(message("[[placement.default_strategy]]\ntype = \"binpack\"\nfield = \"disk\""),
              HasSubstr("placement.default_strategy.field"));
  EXPECT_THAT(message("[[placement.expected_task]]\ngpus = 1\ngpu_milli = 5"),
              HasSubstr("only one of them"));
  EXPECT_THAT(message("[[placement.expected_task]]\nweight = 0"), HasSubstr("from 1 to"));
  EXPECT_THAT(message("expected_task = 1"), HasSubstr("[[placement.expected_task]]"));
  EXPECT_THAT(message("strategy = 1"), HasSubstr("placement.strategy: unknown key"));
}

TEST(Config, KeepsDotsWithinANameOfANestedTable) {
  const auto config = parse_config("[plugins.r.registries.\"127.0.0.1:5000\"]\nusername = \"u\"\n", "t");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->plugins.at("r").settings.at("registries.\"127.0.0.1:5000\".username"), "u");
}

TEST(Config, CountsTheItemsOfAList) {
  const auto config = parse_config("[plugins.r]\nmirrors = [\"a\", \"b\"]\n", "t");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->plugins.at("r").settings.at("mirrors.1"), "b");
}

TEST(Config, RefusesWhatItDoesNotKnowWithItsPlace) {
  const auto refused = parse_config("region = \"x\"\nregoin = \"y\"\n", "berth.toml");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("berth.toml:2: regoin"));
}

TEST(Config, NamesTheLineOfAMemberWithinATable) {
  const auto line = [](const char* text) { return parse_config(text, "t").error().message; };
  EXPECT_THAT(line("[[access_key]]\nid = \"a\"\nsecret_file = \"/absent\""),
              HasSubstr("t:3: access_key.secret_file"));
  EXPECT_THAT(line("[[access_key]]\nsecret = \"s\"\nid = \"a\"\n"
                   "[[access_key]]\nsecret = \"s\"\nid = \"a\""),
              HasSubstr("t:6: access_key.id"));
  EXPECT_THAT(line("[[placement.default_strategy]]\nfield = \"cpu\"\ntype = \"none\""),
              HasSubstr("t:3: placement.default_strategy.type"));
  EXPECT_THAT(line("api = \"127.0.0.1:99999\""), HasSubstr("the port from 0 to 65535"));
}

class BadConfig : public ::testing::TestWithParam<const char*> {};

TEST_P(BadConfig, IsRefused) {
  const auto refused = parse_config(GetParam(), "t");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
}

INSTANTIATE_TEST_SUITE_P(
    Config, BadConfig,
    ::testing::Values("account = \"12\"", "account = 12", "api = \"nowhere\"", "api = \":80\"",
                      "api = \"h:99999\"", "stopped_task_retention_seconds = 10",
                      "tls_key = \"/k\"", "data_dir = 3", "plugins = 1", "[plugins]\nec2 = 1",
                      "[plugins.x]\nenabled = \"yes\"", "[plugins.x]\nat = 2020-01-01",
                      "[agent]\ncpu = 1", "[[access_key]]\nid = \"a\"", "access_key = 1",
                      "[[access_key]]\nid = \"a\"\nsecret_file = \"/absent\"", "x =",
                      "log_level = \"loud\"", "region = \"\"", "region = \"eu west\"",
                      "default_cluster = \"a/b\"",
                      "[[access_key]]\nid = \"a\"\nsecret = \"s\"\n"
                      "[[access_key]]\nid = \"a\"\nsecret = \"t\""));

TEST(Config, DescribesItselfWithoutSecrets) {
  const auto config = parse_config(
      "[[access_key]]\nid = \"AK\"\nsecret = \"hush\"\n[plugins.r]\npassword = \"hush\"\n", "t");
  ASSERT_TRUE(config);
  EXPECT_THAT(describe(*config), Not(HasSubstr("hush")));
  EXPECT_THAT(describe(*config), HasSubstr("password"));
}

TEST(Config, ShowsItsFirstAccessKeyToThoseWhoSignByIt) {
  const auto config = parse_config(
      "[[access_key]]\nid = \"AK\"\nsecret = \"one\"\n[[access_key]]\nid = \"B\"\nsecret = \"two\"\n", "t");
  ASSERT_TRUE(config);
  EXPECT_THAT(describe(*config, Secrets::FirstAccessKey), HasSubstr(R"("access_key":{"id":"AK","secret":"one"})"));
  EXPECT_THAT(describe(*config, Secrets::FirstAccessKey), Not(HasSubstr("two")));
}

TEST(Config, TellsAMissingFileFromAnEmptyOne) {
  EXPECT_EQ(read_config("/nowhere/berth.toml").error().code, Errc::NotFound);
}

}  // namespace
}  // namespace berth::daemon
