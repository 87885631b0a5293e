// SPDX-License-Identifier: Apache-2.0
// Against Debian's docker-registry, so that our reading of the protocol is not the only one.
#include "tests/support/image/docker_registry.hpp"

#include <gtest/gtest.h>

#include "berth/v1/registry.pb.h"
#include "sdk/runtime/image/digest.hpp"
#include "sdk/runtime/image/image_store.hpp"
#include "tests/support/image/tar_builder.hpp"

namespace berth::runtime::image {
namespace {

using test::build_image;
using test::BuiltImage;
using test::DockerRegistry;
using test::gzip_layer;
using test::TarBuilder;

// Offers one endpoint; gives its header only once it has been challenged.
class Access : public RegistryAccess {
 public:
  explicit Access(const DockerRegistry& registry) : registry_(registry) {}
  sdk::Result<v1::MirrorsResponse> mirrors(const v1::MirrorsRequest&) override {
    v1::MirrorsResponse out;
    auto* endpoint = out.add_endpoints();
    endpoint->set_url(registry_.url());
    endpoint->set_resolve_tags(true);
    if (trusts) endpoint->set_ca_pem(registry_.ca_pem());
    return out;
  }
  sdk::Result<v1::AuthorizeResponse> authorize(const v1::AuthorizeRequest& request) override {
    v1::AuthorizeResponse out;
    if (!request.challenge().empty()) {
      challenge = request.challenge();
      out.set_header(header.empty() ? registry_.authorization() : header);
    }
    return out;
  }
  bool trusts = true;
  std::string header;
  std::string challenge;

 private:
  const DockerRegistry& registry_;
};

BuiltImage image_with(const std::string& mark) {
  return build_image({.layers = {gzip_layer(TarBuilder{}.directory("etc").file("etc/base").bytes()),
                                 gzip_layer(TarBuilder{}.file("mark", mark).bytes())}});
}

PullOptions for_amd64() {
  PullOptions out;
  out.platform = {"linux", "amd64"};
  return out;
}

struct Host {
  test::TempDir dir;
  std::unique_ptr<ImageStore> store = ImageStore::open(dir / "images").value();
};

TEST(DockerRegistryPull, WorksOverPlainHttp) {
  DockerRegistry registry;
  const BuiltImage built = image_with("plain");
  registry.push("team/app", "v1", built);
  Access access{registry};
  Host host;
  const auto image = host.store->pull(registry.host() + "/team/app:v1", access, for_amd64());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->digest, built.digest);
  EXPECT_EQ(test::read_text(image->layers[1] + "/mark"), "plain");
  EXPECT_TRUE(host.store->pull(registry.host() + "/team/app@" + built.digest, access, for_amd64()));
  const auto missing = host.store->pull(registry.host() + "/team/app:v2", access, for_amd64());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, BERTH_NOT_FOUND);
  EXPECT_NE(missing.error().message.find("MANIFEST_UNKNOWN"), std::string::npos)
      << missing.error().message;
}

TEST(DockerRegistryPull, WorksOverTlsWithBasic) {
  DockerRegistry registry{{.tls = true, .user = "user", .password = "pass-word"}};
  const BuiltImage built = image_with("secret");
  registry.push("app", "v1", built);
  Access access{registry};
  Host host;
  const auto image = host.store->pull(registry.host() + "/app:v1", access, for_amd64());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(test::read_text(image->layers[1] + "/mark"), "secret");
  EXPECT_TRUE(access.challenge.starts_with("Basic realm=")) << access.challenge;
}

TEST(DockerRegistryPull, RefusesAnUnknownAuthorityAndWrongCredentials) {
  DockerRegistry registry{{.tls = true, .user = "user", .password = "pass-word"}};
  registry.push("app", "v1", image_with("secret"));
  Host host;
  Access stranger{registry};
  stranger.trusts = false;
  const auto untrusted = host.store->pull(registry.host() + "/app:v1", stranger, for_amd64());
  ASSERT_FALSE(untrusted);
  EXPECT_EQ(untrusted.error().status, BERTH_PRECONDITION) << untrusted.error().message;
  Access wrong{registry};
  wrong.header = "Basic d3Jvbmc6d3Jvbmc=";
  const auto denied = host.store->pull(registry.host() + "/app:v1", wrong, for_amd64());
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().status, BERTH_DENIED);
  EXPECT_EQ(denied.error().reason, "CannotPullContainerAuthError");
  EXPECT_EQ(denied.error().message.find("d3Jvbmc6"), std::string::npos)
      << "credentials in a message";
}

TEST(DockerRegistryPull, PicksThePlatformOfAnIndex) {
  DockerRegistry registry;
  const BuiltImage amd = image_with("amd64");
  const BuiltImage arm = image_with("arm64");
  registry.push("app", "", amd);
  registry.push("app", "", arm);
  const std::string index = test::build_index({{"linux/arm64/v8", arm}, {"linux/amd64", amd}});
  registry.push_manifest("app", "multi", index, test::kOciIndex);
  Access access{registry};
  Host host;
  const auto image = host.store->pull(registry.host() + "/app:multi", access, for_amd64());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->digest, digest_of(index));
  EXPECT_EQ(test::read_text(image->layers[1] + "/mark"), "amd64");
}

TEST(DockerRegistryPull, TakesZstdLayers) {
  DockerRegistry registry;
  const std::string tar = TarBuilder{}.file("mark", "zstd").bytes();
  registry.push("app", "v1",
                build_image({.layers = {{test::zstd(tar), digest_of(tar),
                                         "application/vnd.oci.image.layer.v1.tar+zstd"}}}));
  Access access{registry};
  Host host;
  const auto image = host.store->pull(registry.host() + "/app:v1", access, for_amd64());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(test::read_text(image->layers[0] + "/mark"), "zstd");
}

}  // namespace
}  // namespace berth::runtime::image
