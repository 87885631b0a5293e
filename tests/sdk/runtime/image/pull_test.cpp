// SPDX-License-Identifier: Apache-2.0
#include <latch>
#include <thread>

#include "sdk/runtime/image/digest.hpp"
#include "tests/sdk/runtime/image/pulling.hpp"

namespace berth::runtime::image {
namespace {

using test::build_image;
using test::BuiltImage;
using test::BuiltLayer;
using test::gzip_layer;
using test::HttpReply;
using test::HttpRequest;
using test::TarBuilder;
using Answer = std::optional<HttpReply>;

class Pull : public Pulling {};

TEST_F(Pull, BringsAnImage) {
  const BuiltImage built = two_layers();
  registry_.push("a/b", "v1", built);
  PullOptions options = Pull::options();
  std::string resolved;
  PullProgress last;
  options.on_resolved = [&](const std::string& digest) { resolved = digest; };
  options.on_progress = [&](const PullProgress& now) { last = now; };
  const auto image = pull("a/b:v1", options);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->digest, built.digest);
  EXPECT_EQ(resolved, built.digest);
  EXPECT_EQ(image->id, built.config_digest);
  EXPECT_EQ(image->config.cmd, std::vector<std::string>{"/bin/true"});
  ASSERT_EQ(image->layers.size(), 2u);
  EXPECT_EQ(test::read_text(image->layers[0] + "/etc/base"), "base");
  EXPECT_EQ(test::read_text(image->layers[1] + "/top"), "top");
  EXPECT_EQ(last.layers_done, 2u);
  EXPECT_EQ(last.layers_total, 2u);
  EXPECT_EQ(last.bytes_done, last.bytes_total);
  EXPECT_GT(last.bytes_total, 0u);
}

TEST_F(Pull, AsksOnceMoreForAnUnchangedTagAndFetchesNothing) {
  registry_.push("a", "v1", two_layers());
  ASSERT_TRUE(pull("a:v1"));
  const std::size_t before = registry_.server().requests().size();
  ASSERT_TRUE(pull("a:v1"));
  EXPECT_EQ(registry_.server().requests().size(), before + 1);
  EXPECT_EQ(registry_.server().requests().back().method, "HEAD");
}

TEST_F(Pull, FollowsATagThatMoves) {
  registry_.push("a", "v1", two_layers());
  ASSERT_TRUE(pull("a:v1"));
  const BuiltImage moved = two_layers("2");
  registry_.push("a", "v1", moved);
  const auto image = pull("a:v1");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->digest, moved.digest);
  EXPECT_EQ(registry_.count("GET", moved.layer_digests[0]), 1u)
      << "the shared layer was fetched again";
}

TEST_F(Pull, TakesThePlatformFromAnIndexAndReportsTheIndex) {
  const BuiltImage amd = two_layers("amd");
  const BuiltImage arm = two_layers("arm");
  registry_.push("a", "", amd);
  registry_.push("a", "", arm);
  const std::string index = test::build_index({{"linux/arm64/v8", arm}, {"linux/amd64", amd}});
  registry_.put_manifest("a", "multi", index, test::kOciIndex);
  const auto image = pull("a:multi");
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->digest, digest_of(index));
  EXPECT_EQ(image->id, amd.config_digest);
  PullOptions other = options();
  other.platform = {"linux", "s390x"};
  const auto missing = pull("a:multi", other);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "CannotPullContainerError");
  EXPECT_NE(missing.error().message.find("linux/s390x"), std::string::npos);
}

TEST_F(Pull, HonoursAPin) {
  const BuiltImage old = two_layers("old");
  registry_.push("a", "v1", old);
  registry_.push("a", "v1", two_layers("new"));
  PullOptions pinned = options();
  pinned.pinned_digest = old.digest;
  const auto image = pull("a:v1", pinned);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->digest, old.digest);
  pinned.pinned_digest = digest_of("another");
  EXPECT_FALSE(pull("a@" + old.digest, pinned));
}

// What a registry gives must be what was asked for.
TEST_F(Pull, KeepsNoLayerOfAWrongDigest) {
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  std::string other = built.blobs.at(built.layer_digests[1]);
  other.back() = static_cast<char>(other.back() ^ 1);
  registry_.put_blob(built.layer_digests[1], other);
  const auto image = pull("a:v1");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_INVALID) << image.error().message;
  EXPECT_EQ(image.error().reason, "CannotPullContainerError");
  EXPECT_LE(layers_on_disk(), 1u);
  EXPECT_FALSE(store_->find(name("a:v1"), options().platform));
}

TEST_F(Pull, KeepsNoLayerWhoseTarIsRightAndWhoseBlobIsNot) {
  // Another compression of the same tar: the diff id fits, the digest of the manifest does not.
  const std::string tar = TarBuilder{}.file("x", "y").bytes();
  const BuiltImage built = build_image({.layers = {gzip_layer(tar)}});
  registry_.push("a", "v1", built);
  std::string same_size = test::gzip(tar);
  same_size[4] = static_cast<char>(same_size[4] ^ 1);  // the time in gzip's header
  registry_.put_blob(built.layer_digests[0], same_size);
  EXPECT_FALSE(pull("a:v1"));
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(Pull, KeepsNoLayerOfAWrongSize) {
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  const std::string blob = built.blobs.at(built.layer_digests[1]);
  registry_.put_blob(built.layer_digests[1], blob.substr(0, blob.size() - 3));
  auto image = pull("a:v1");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_INVALID);
  registry_.put_blob(built.layer_digests[1], blob + "more");
  image = pull("a:v1");
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find("more than"), std::string::npos) << image.error().message;
  EXPECT_LE(layers_on_disk(), 1u);
}

TEST_F(Pull, KeepsNoLayerThatIsNotItsDiffId) {
  BuiltLayer lying = gzip_layer(TarBuilder{}.file("a").bytes());
  lying.diff_id = digest_of("something else");
  registry_.push("a", "v1", build_image({.layers = {lying}}));
  EXPECT_FALSE(pull("a:v1"));
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(Pull, RefusesAManifestThatIsNotItsDigest) {
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  registry_.put_manifest("a", built.digest, built.manifest + " ", test::kOciManifest);
  const auto image = pull("a@" + built.digest);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().reason, "CannotPullImageManifestError");
}

TEST_F(Pull, NamesAnImageThatIsNotThere) {
  const auto image = pull("a:v1");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_NOT_FOUND);
  EXPECT_TRUE(image.error().message.starts_with("CannotPullContainerError: "))
      << image.error().message;
  EXPECT_NE(image.error().message.find("not found"), std::string::npos);
}

TEST_F(Pull, AsksForCredentialsAndRenewsThemOnce) {
  registry_.push("a", "v1", two_layers());
  registry_.intercept([](const HttpRequest& request) -> Answer {
    if (request.header("authorization") == "Bearer good") return {};
    return HttpReply{.status = 401, .headers = {{"WWW-Authenticate", "Bearer realm=\"r\""}}};
  });
  std::vector<std::string> challenges;
  std::vector<std::string> rejected;
  access_.on_authorize = [&](const v1::AuthorizeRequest& request) -> sdk::Result<std::string> {
    challenges.push_back(request.challenge());
    rejected.push_back(request.rejected_header());
    EXPECT_EQ(request.execution_role_arn(), "arn:role");
    EXPECT_EQ(request.credentials(), "arn:secret");
    EXPECT_EQ(request.repository(), "a");
    return request.challenge().empty() ? std::string{"Bearer stale"} : std::string{"Bearer good"};
  };
  PullOptions with = options();
  with.execution_role_arn = "arn:role";
  with.credentials = "arn:secret";
  const auto image = pull("a:v1", with);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(challenges, (std::vector<std::string>{"", "Bearer realm=\"r\""}));
  EXPECT_EQ(rejected, (std::vector<std::string>{"", "Bearer stale"}));
}

TEST_F(Pull, SaysThatCredentialsWereRefused) {
  registry_.push("a", "v1", two_layers());
  registry_.intercept([](const HttpRequest&) -> Answer { return HttpReply{.status = 401}; });
  access_.on_authorize = [](const v1::AuthorizeRequest&) -> sdk::Result<std::string> {
    return std::string{"Basic x"};
  };
  const auto image = pull("a:v1");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_DENIED);
  EXPECT_EQ(image.error().reason, "CannotPullContainerAuthError");
  EXPECT_LE(access_.authorized.load(), 2);
}

TEST_F(Pull, NamesCredentialsThatCannotBeHad) {
  access_.on_authorize = [](const v1::AuthorizeRequest&) -> sdk::Result<std::string> {
    return sdk::fail(BERTH_INVALID, "no such secret");
  };
  const auto image = pull("a:v1");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().reason, "CannotPullContainerAuthError");
  const auto ecr =
      store_->pull("000000000000.dkr.ecr.us-east-1.amazonaws.com/a", access_, options());
  ASSERT_FALSE(ecr);
  EXPECT_EQ(ecr.error().reason, "CannotPullECRContainerError");
}

TEST_F(Pull, TriesAgainWhereTheRegistryIsBusy) {
  registry_.push("a", "v1", two_layers());
  std::atomic<int> left{2};
  registry_.intercept([&](const HttpRequest& request) -> Answer {
    if (request.target.find("/manifests/") == std::string::npos || left-- <= 0) return {};
    return HttpReply{.status = left == 0 ? 503 : 429, .headers = {{"Retry-After", "0"}}};
  });
  EXPECT_TRUE(pull("a:v1"));
}

TEST_F(Pull, GoesOnWhereADownloadBroke) {
  std::string noise;
  for (unsigned i = 0, x = 1; i < 300000; ++i)
    noise += static_cast<char>((x = x * 1103515245 + 12345) >> 16);
  const BuiltImage built =
      build_image({.layers = {gzip_layer(TarBuilder{}.file("noise", noise).bytes())}});
  registry_.push("a", "v1", built);
  const std::string blob = built.blobs.at(built.layer_digests[0]);
  for (const bool knows_ranges : {true, false}) {
    std::atomic<int> cuts{2};
    registry_.intercept([&](const HttpRequest& request) -> Answer {
      if (request.target.find(built.layer_digests[0]) == std::string::npos) return {};
      if (cuts-- <= 0) return knows_ranges ? Answer{} : Answer{HttpReply{.body = blob}};
      const std::string range = request.header("range");
      const std::size_t from = range.empty() || !knows_ranges ? 0 : std::stoul(range.substr(6));
      HttpReply reply{
          .status = from == 0 ? 200 : 206, .body = blob.substr(from), .cut_after = 100000};
      if (from > 0)
        reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(from) + "-" +
                                                        std::to_string(blob.size() - 1) + "/" +
                                                        std::to_string(blob.size()));
      return reply;
    });
    const auto image = pull("a:v1");
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(test::read_text(image->layers[0] + "/noise"), noise);
    store_->remove_unused(std::chrono::seconds{0}, 10);
    ASSERT_EQ(layers_on_disk(), 0u);
  }
}

TEST_F(Pull, FollowsMirrorsInOrderAndFallsBackPerBlob) {
  test::FakeRegistry mirror;
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  mirror.push("a", "v1", built);
  mirror.put_blob(built.layer_digests[0], "rotten");  // the mirror's copy is damaged
  test::TableAccess access{{mirror.server().url(), registry_.server().url()}};
  const auto image = store_->pull(name("a:v1"), access, options());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(registry_.count("GET", "/manifests/"), 0u);
  EXPECT_EQ(registry_.count("GET", built.layer_digests[0]), 1u);
  EXPECT_EQ(registry_.count("GET", built.layer_digests[1]), 0u);
}

TEST_F(Pull, AsksAMirrorForTagsOnlyWhereItMay) {
  test::FakeRegistry mirror;
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  mirror.push("a", "v1", two_layers("stale"));
  test::TableAccess access{{mirror.server().url(), registry_.server().url()}};
  access.mirrors_resolve_tags = false;
  const auto image = store_->pull(name("a:v1"), access, options());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->digest, built.digest);
  EXPECT_EQ(mirror.count("GET", "/manifests/v1"), 0u);
}

TEST_F(Pull, FetchesALayerOnceForAllWhoWantItAtATime) {
  registry_.push("a", "v1", two_layers("1"));
  const BuiltImage other = two_layers("2");
  registry_.push("b", "v1", other);
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { good += pull(i % 2 ? "a:v1" : "b:v1").has_value(); });
  }
  threads.clear();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(registry_.count("GET", other.layer_digests[0]), 1u);
  EXPECT_EQ(layers_on_disk(), 3u);
}

TEST_F(Pull, FetchesLayersAtTheSameTime) {
  std::vector<BuiltLayer> layers;
  for (const char* mark : {"1", "2", "3", "4"}) {
    layers.push_back(gzip_layer(TarBuilder{}.file(mark, mark).bytes()));
  }
  const std::string config_digest = build_image({.layers = layers}).config_digest;
  registry_.push("a", "v1", build_image({.layers = layers}));
  // Each of the four is answered when all four have been asked for.
  std::latch all{4};
  registry_.intercept([&](const HttpRequest& request) -> Answer {
    const bool layer = request.target.find("/blobs/") != std::string::npos &&
                       !request.target.ends_with(config_digest);
    if (layer) all.arrive_and_wait();
    return {};
  });
  const auto image = pull("a:v1");
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(layers_on_disk(), 4u);
}

TEST_F(Pull, IsNotSpoiledByAnotherThatClaimsItsLayer) {
  const BuiltLayer honest = gzip_layer(TarBuilder{}.file("a", "honest").bytes());
  BuiltLayer lying = gzip_layer(TarBuilder{}.file("a", "lying").bytes());
  lying.diff_id = honest.diff_id;
  registry_.push("good", "v1", build_image({.layers = {honest}}));
  registry_.push("evil", "v1", build_image({.layers = {lying}}));
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  std::atomic<int> evil{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { good += pull("good:v1").has_value(); });
    threads.emplace_back([&] { evil += pull("evil:v1").has_value(); });
  }
  threads.clear();
  EXPECT_EQ(good, 4);
  const auto image = pull("good:v1");
  ASSERT_TRUE(image);
  EXPECT_EQ(test::read_text(image->layers[0] + "/a"), "honest");
}

TEST_F(Pull, EndsWhenCancelledAndKeepsTheLayerThatHadCome) {
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  std::stop_source stop;
  // By value: the pull ends, and the test with it, while the registry still answers.
  registry_.intercept([this, built, stop](const HttpRequest& request) mutable -> Answer {
    if (request.target.find("/blobs/" + built.layer_digests[1]) == std::string::npos) return {};
    EXPECT_TRUE(has_layers(1)) << "the other layer comes meanwhile";
    stop.request_stop();
    return HttpReply{.body = built.blobs.at(built.layer_digests[1]), .cut_after = 5};
  });
  PullOptions with = options();
  with.cancel = stop.get_token();
  const auto image = pull("a:v1", with);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_CANCELLED);
  EXPECT_FALSE(store_->find(name("a:v1"), options().platform));
  EXPECT_EQ(layers_on_disk(), 1u);
  store_->remove_unused(std::chrono::seconds{3600}, 10);
  EXPECT_EQ(layers_on_disk(), 0u) << "it is of no image";
}

TEST_F(Pull, ThatFailsLeavesOtherLayersAloneAndIsGoneOnWithLater) {
  const BuiltImage built = two_layers();
  registry_.push("a", "v1", built);
  ASSERT_TRUE(pull("a:v1"));
  const BuiltImage other =
      build_image({.layers = {gzip_layer(TarBuilder{}.file("x", "x").bytes()),
                              gzip_layer(TarBuilder{}.file("y", "y").bytes())}});
  registry_.push("b", "v1", other);
  registry_.intercept([this, other](const HttpRequest& request) -> Answer {
    if (request.target.find("/blobs/" + other.layer_digests[1]) == std::string::npos) return {};
    EXPECT_TRUE(has_layers(3)) << "the good one comes meanwhile";
    return HttpReply{.body = "something else"};
  });
  EXPECT_FALSE(pull("b:v1"));
  EXPECT_EQ(layers_on_disk(), 3u) << "the good one stays";
  EXPECT_TRUE(store_->find(name("a:v1"), options().platform));
  std::atomic<int> again{0};
  registry_.intercept([&again, other](const HttpRequest& request) -> Answer {
    if (request.target.find("/blobs/" + other.layer_digests[0]) != std::string::npos) ++again;
    return {};
  });
  EXPECT_TRUE(pull("b:v1"));
  EXPECT_EQ(again, 0) << "and is not fetched again";
}

TEST_F(Pull, StopsAtItsLimits) {
  registry_.push(
      "a", "v1",
      build_image({.layers = {gzip_layer(
                       TarBuilder{}.file("bomb", std::string(50 << 20, '\0')).bytes())}}));
  PullOptions small = options();
  small.limits.unpacked_bytes = 1 << 20;
  auto image = pull("a:v1", small);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_NO_CAPACITY);
  EXPECT_EQ(layers_on_disk(), 0u);
  registry_.push("b", "v1", two_layers());
  PullOptions few = options();
  few.limits.layers = 1;
  image = pull("b:v1", few);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_NO_CAPACITY);
}

TEST_F(Pull, DoesAsItsBehaviourSays) {
  registry_.push("a", "v1", two_layers());
  PullOptions with = options();
  with.behaviour = PullBehaviour::PreferCached;
  ASSERT_TRUE(pull("a:v1", with));
  const std::size_t before = registry_.server().requests().size();
  ASSERT_TRUE(pull("a:v1", with));
  with.behaviour = PullBehaviour::Once;
  ASSERT_TRUE(pull("a:v1", with));
  EXPECT_EQ(registry_.server().requests().size(), before);

  registry_.intercept([](const HttpRequest&) -> Answer { return HttpReply{.status = 404}; });
  with.behaviour = PullBehaviour::Default;
  const auto fallen_back = pull("a:v1", with);
  ASSERT_TRUE(fallen_back);
  EXPECT_NE(fallen_back->pull_error, "");
  with.behaviour = PullBehaviour::Always;
  EXPECT_FALSE(pull("a:v1", with));
}

TEST_F(Pull, RefusesANameThatIsNone) {
  const auto image = store_->pull("not a name", access_, options());
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().status, BERTH_INVALID);
  EXPECT_EQ(image.error().reason, "CannotPullContainerError");
}

}  // namespace
}  // namespace berth::runtime::image
