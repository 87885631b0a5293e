// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::daemon {
namespace {

using ::testing::HasSubstr;

std::string problem(const std::string& text) {
  const auto config = parse_config(text, "t");
  if (!config) return config.error().message;
  const auto checked = check_config(*config);
  return checked ? "" : checked.error().message;
}

TEST(ConfigCheck, TakesTheDefaults) {
  EXPECT_EQ(problem(""), "");
}

TEST(ConfigCheck, RefusesToListenBeyondLoopbackUnprotected) {
  EXPECT_THAT(problem("api = \"0.0.0.0:0\""), HasSubstr("without TLS"));
  EXPECT_THAT(problem("api = \"0.0.0.0:0\""), HasSubstr("access keys"));
  EXPECT_EQ(problem("api = \"[::1]:0\""), "");
}

TEST(ConfigCheck, ResolvesTheHostOfTheApi) {
  EXPECT_EQ(problem("api = \"localhost:0\""), "");
  EXPECT_EQ(listen_address("localhost").value_or(""), "127.0.0.1");
  EXPECT_EQ(listen_address("::1").value_or(""), "::1");
  EXPECT_THAT(problem("api = \"no such host:0\""), HasSubstr("api: 'no such host'"));
}

TEST(ConfigCheck, RefusesFilesAndDirectoriesThatAreNotThere) {
  EXPECT_THAT(problem("tls_certificate = \"/none.pem\"\ntls_key = \"/none.key\""),
              HasSubstr("tls_certificate: cannot read /none.pem: No such file"));
  EXPECT_THAT(problem("plugin_dirs = [\"/none\"]"),
              HasSubstr("plugin_dirs: there is no directory /none"));
}

TEST(ConfigCheck, RefusesPluginsThatAreNotThereByTheirTable) {
  const std::string here = "plugin_dirs = [\"/\"]\n";
  EXPECT_THAT(problem(here + "[plugins.ec3]\nlisten = \"x\""),
              HasSubstr("plugins.ec3: no plugin 'ec3': tried /libberth-ec3.so"));
  EXPECT_EQ(problem(here + "[plugins.ec3]\nenabled = false"), "");
  EXPECT_THAT(problem(here + "[plugins.ec3]\npath = \"/not/there.so\""),
              HasSubstr("plugins.ec3.path: cannot read /not/there.so"));
  EXPECT_THAT(problem(here + "[agent]\nfleet = \"nope\""),
              HasSubstr("agent.fleet: no plugin 'nope'"));
  EXPECT_THAT(problem(here + "[agent]\nfleet = \"off\"\n[plugins.off]\nenabled = false"),
              HasSubstr("agent.fleet: the plugin 'off' is not enabled"));
}

}  // namespace
}  // namespace berth::daemon
