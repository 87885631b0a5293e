// SPDX-License-Identifier: Apache-2.0
#include "core/cli/run_definition.hpp"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

RunOptions image(std::string name) {
  RunOptions options;
  options.image = std::move(name);
  return options;
}

TEST(RunDefinition, NamesTheContainerAfterTheImage) {
  for (const auto& [reference, name] : std::vector<std::pair<const char*, const char*>>{
           {"nginx", "nginx"}, {"127.0.0.1:5000/team/web.app:1", "web-app"}, {"a/b@sha256:00", "b"}}) {
    const auto definition = definition_for(image(reference));
    ASSERT_TRUE(definition);
    EXPECT_EQ(definition->at("containerDefinitions").at(0).at("name").as_string(), name);
  }
}

TEST(RunDefinition, HasTheSameFamilyForTheSameContentOnly) {
  auto options = image("web");
  const auto first = definition_for(options)->at("family");
  EXPECT_EQ(definition_for(options)->at("family"), first);
  options.command = {"sh"};
  EXPECT_NE(definition_for(options)->at("family"), first);
}

TEST(RunDefinition, UnderstandsPublishedPorts) {
  auto options = image("web");
  options.publish = {"80", "8080:81", "53:5353/udp"};
  const auto ports = definition_for(options)->at("containerDefinitions").at(0).at("portMappings");
  EXPECT_FALSE(ports.at(0).as_object().contains("hostPort"));
  EXPECT_EQ(ports.at(1).at("hostPort").as_int64(), 8080);
  EXPECT_EQ(ports.at(1).at("containerPort").as_int64(), 81);
  EXPECT_EQ(ports.at(2).at("protocol").as_string(), "udp");
}

TEST(RunDefinition, NamesTheOptionThatIsWrong) {
  for (const char* publish : {"", "x", "1:x", "99999", "80/sctp", "1:2:3"}) {
    auto options = image("web");
    options.publish = {publish};
    const auto refused = definition_for(options);
    ASSERT_FALSE(refused) << publish;
    EXPECT_NE(refused.error().message.find("--publish"), std::string::npos);
  }
  auto options = image("web");
  options.environment = {"=x"};
  EXPECT_FALSE(definition_for(options));
  options.environment = {"SURELY_NOT_SET_ANYWHERE"};
  EXPECT_FALSE(definition_for(options));
}

TEST(RunDefinition, NamesTheRangeOfAPortOutsideIt) {
  for (const auto& [publish, words] : std::vector<std::pair<const char*, const char*>>{
           {"99999:80", "the host's port is 1-65535, or 0"},
           {"-1:80", "the host's port is 1-65535, or 0"},
           {"80:65536", "the container's port is 1-65535"},
           {"99999999999", "the container's port is 1-65535"},
           {"0", "the container's port is 1-65535"}}) {
    auto options = image("web");
    options.publish = {publish};
    const auto refused = definition_for(options);
    ASSERT_FALSE(refused) << publish;
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
  }
}

TEST(RunDefinition, TakesPortZeroOfTheHostForAFreeOne) {
  auto options = image("web");
  options.publish = {"0:80"};
  const auto ports = definition_for(options)->at("containerDefinitions").at(0).at("portMappings");
  EXPECT_EQ(ports.at(0).at("hostPort").as_int64(), 0);
}

}  // namespace
}  // namespace berth::cli
