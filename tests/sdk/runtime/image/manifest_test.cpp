// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/manifest.hpp"

#include <gtest/gtest.h>

#include "tests/support/image/image_builder.hpp"
#include "tests/support/image/tar_builder.hpp"

namespace berth::runtime::image {
namespace {

using test::build_image;
using test::build_index;
using test::gzip_layer;
using test::kOciIndex;
using test::kOciManifest;
using test::TarBuilder;

test::BuiltImage sample() {
  return build_image(
      {.layers = {gzip_layer(TarBuilder{}.file("a").bytes())},
       .config_json = R"({"Env":["A=b"],"Cmd":["x","y"],"User":"7:8","WorkingDir":"/w",
                        "Entrypoint":["/e"],"StopSignal":"SIGINT","Volumes":{"/v2":{},"/v1":{}},
                        "ExposedPorts":{"80/tcp":{}},"Labels":{"k":"v"}})"});
}

TEST(Manifest, GivesConfigAndLayers) {
  const auto image = sample();
  const auto parsed = parse_manifest(image.manifest, kOciManifest + "; charset=utf-8");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& manifest = std::get<Manifest>(*parsed);
  EXPECT_EQ(manifest.config.digest, image.config_digest);
  ASSERT_EQ(manifest.layers.size(), 1u);
  EXPECT_EQ(manifest.layers[0].digest, image.layer_digests[0]);
}

TEST(Manifest, RefusesATypeThatBodyAndHeaderDisputeOver) {
  const auto parsed = parse_manifest(sample().manifest, kOciIndex);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().status, BERTH_INVALID);
}

TEST(Manifest, RefusesWhatIsNoImage) {
  const std::string image = sample().manifest;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = image;
    changed.replace(changed.find(from), from.size(), to);
    return parse_manifest(changed, "");
  };
  EXPECT_TRUE(with("\"schemaVersion\":2", "\"schemaVersion\": 2"));
  EXPECT_FALSE(with("\"schemaVersion\":2", "\"schemaVersion\":1"));
  EXPECT_FALSE(
      with("application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json"));
  EXPECT_FALSE(with(test::kGzipLayer, "application/vnd.in-toto+json"));
  EXPECT_FALSE(with("sha256:", "sha257:"));
  EXPECT_FALSE(with("\"size\":", "\"size\":-"));
  EXPECT_FALSE(with("\"layers\"", "\"leyers\""));
  EXPECT_FALSE(parse_manifest("", ""));
  EXPECT_FALSE(parse_manifest("[]", ""));
  EXPECT_FALSE(parse_manifest("{}", ""));
  EXPECT_FALSE(parse_manifest(std::string(100000, '['), ""));
  EXPECT_FALSE(parse_manifest(std::string(kMaxManifest + 1, ' '), ""));
}

TEST(Manifest, GivesTheConfiguration) {
  const auto image = sample();
  const auto parsed = parse_configuration(image.blobs.at(image.config_digest));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const ImageConfig& config = parsed->config;
  EXPECT_EQ(config.entrypoint, std::vector<std::string>{"/e"});
  EXPECT_EQ(config.cmd, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(config.env, std::vector<std::string>{"A=b"});
  EXPECT_EQ(config.user, "7:8");
  EXPECT_EQ(config.working_dir, "/w");
  EXPECT_EQ(config.stop_signal, "SIGINT");
  EXPECT_EQ(config.volumes, (std::vector<std::string>{"/v1", "/v2"}));
  EXPECT_EQ(config.exposed_ports, std::vector<std::string>{"80/tcp"});
  EXPECT_EQ(config.labels.at("k"), "v");
  EXPECT_EQ(parsed->diff_ids.size(), 1u);
  EXPECT_EQ(parsed->platform.architecture, "amd64");
}

TEST(Manifest, TakesAConfigurationWithNulls) {
  const auto parsed = parse_configuration(
      R"({"config":{"Env":null,"Cmd":null,"Labels":null,"Volumes":null},"rootfs":{"diff_ids":[]}})");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->config.cmd.empty());
}

TEST(Manifest, RefusesConfigurationsThatCannotBeRun) {
  EXPECT_FALSE(parse_configuration("{}"));
  EXPECT_FALSE(parse_configuration(R"({"rootfs":{"diff_ids":["../../etc"]}})"));
  EXPECT_FALSE(parse_configuration(R"({"rootfs":{"diff_ids":[7]}})"));
  EXPECT_FALSE(parse_configuration(R"({"config":{"Cmd":["a\u0000b"]},"rootfs":{"diff_ids":[]}})"));
}

Index index_of(const std::vector<std::string>& platforms) {
  std::vector<std::pair<std::string, test::BuiltImage>> images;
  int serial = 0;
  for (const auto& platform : platforms) {
    images.emplace_back(
        platform,
        build_image(
            {.layers = {gzip_layer(TarBuilder{}.file("a" + std::to_string(serial++)).bytes())}}));
  }
  const auto parsed = parse_manifest(build_index(images), kOciIndex);
  return std::get<Index>(*parsed);
}

TEST(Index, GivesTheFirstEntryOfThePlatform) {
  const Index index = index_of({"unknown/unknown", "linux/arm64/v8", "linux/amd64", "linux/amd64"});
  const auto chosen = choose_platform(index, {"linux", "amd64"});
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->digest, index.manifests[2].digest);
}

TEST(Index, FallsBackToLowerVariantsButNeverToHigher) {
  const Index index = index_of({"linux/arm/v6", "linux/arm/v5", "linux/arm64"});
  EXPECT_EQ(choose_platform(index, {"linux", "arm", "v7"})->digest, index.manifests[0].digest);
  EXPECT_EQ(choose_platform(index, {"linux", "arm", "v5"})->digest, index.manifests[1].digest);
  EXPECT_EQ(choose_platform(index, {"linux", "arm64", "v8"})->digest, index.manifests[2].digest);
  EXPECT_FALSE(choose_platform(index_of({"linux/arm/v7"}), {"linux", "arm", "v6"}));
}

TEST(Index, NamesWhatItHasWhereNothingFits) {
  const auto chosen = choose_platform(index_of({"linux/s390x"}), {"linux", "amd64"});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().status, BERTH_NOT_FOUND);
  EXPECT_NE(chosen.error().message.find("'linux/amd64'"), std::string::npos);
  EXPECT_NE(chosen.error().message.find("linux/s390x"), std::string::npos);
}

}  // namespace
}  // namespace berth::runtime::image
