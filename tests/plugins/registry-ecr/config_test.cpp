// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/config.hpp"

#include <gtest/gtest.h>

#include "plugins/registry-ecr/endpoints.hpp"
#include "tests/support/image/temp_dir.hpp"

namespace berth::registry_ecr {
namespace {

using Map = std::map<std::string, std::string>;

std::string problems(const Map& values) {
  sdk::Settings settings{values};
  (void)read_config(settings);
  const auto checked = settings.check();
  return checked ? "" : checked.error().message;
}

Config good(const Map& values) {
  sdk::Settings settings{values};
  Config config = read_config(settings);
  EXPECT_EQ(settings.check() ? "" : settings.check().error().message, "");
  return config;
}

TEST(Config, ReadsEveryKey) {
  test::TempDir dir;
  test::write_text(dir / "secret", "from a file\n");
  test::write_text(dir / "ca", "pem");
  const Config config =
      good({{"ca_file", dir / "ca"},
            {"registries.localhost:5000.username", "u"},
            {"registries.localhost:5000.password_file", dir / "secret"},
            {"registries.localhost:5000.ca_file", dir / "ca"},
            {"registries.localhost:5000.token_realm", "https://auth.example/token"},
            {"registries.\"reg.example:443\".plain_http", "true"},
            {"registries.\"reg.example:443\".mirrors.0", "https://m0.example"},
            {"registries.\"reg.example:443\".mirrors.1", "https://m1.example/prefix/"},
            {"registries.\"reg.example:443\".mirrors.10", "https://m10.example"},
            {"registries.\"reg.example:443\".mirrors.2", "https://m2.example"},
            {"registries.\"reg.example:443\".mirrors_resolve_tags", "false"},
            {"registries.\"10.0.0.1:5000\".insecure_tls", "true"},
            {"registries.\"10.0.0.1:5000\".ecr", "true"},
            {"credentials.my-secret.username", "cu"},
            {"credentials.my-secret.password", "cp"},
            {"credentials.\"arn:aws:x.y\".username", "cu"},
            {"credentials.\"arn:aws:x.y\".password", "cp"},
            {"ecr.endpoint", "http://localhost:1"},
            {"ecr.region", "eu-west-1"},
            {"ecr.access_key_id", "AK"},
            {"ecr.secret_access_key_file", dir / "secret"},
            {"ecr.session_token", "st"},
            {"ecr.ca_file", dir / "ca"}});
  EXPECT_EQ(*config.of("localhost:5000").login.basic(), "Basic " + base64("u:from a file"));
  EXPECT_EQ(config.of("reg.example:443").mirrors,
            (std::vector<std::string>{"https://m0.example", "https://m1.example/prefix",
                                      "https://m2.example", "https://m10.example"}));
  EXPECT_TRUE(*config.of("reg.example:443").plain_http);
  EXPECT_FALSE(config.of("reg.example:443").mirrors_resolve_tags);
  EXPECT_TRUE(config.of("10.0.0.1:5000").ecr);
  EXPECT_EQ(config.credentials.at("my-secret").password, "cp");
  EXPECT_EQ(config.credentials.at("arn:aws:x.y").username, "cu");
  EXPECT_EQ(config.ecr.region, "eu-west-1");
  EXPECT_FALSE(config.of("unknown").login.is_set());
}

TEST(Config, NamesWhatItDoesNotKnow) {
  EXPECT_NE(problems({{"registris", "x"}}).find("'registris'"), std::string::npos);
  EXPECT_NE(
      problems({{"registries.localhost.user", "x"}}).find("registries.localhost.user: unknown key"),
      std::string::npos);
  EXPECT_NE(problems({{"registries.\"a.b\".mirrors.x", "http://a"}}).find("unknown key"),
            std::string::npos);
  EXPECT_NE(problems({{"ecr.regoin", "x"}}).find("ecr.regoin: unknown key"), std::string::npos);
  EXPECT_NE(problems({{"credentials.a.pass", "x"}}).find("credentials.a.pass"), std::string::npos);
}

TEST(Config, RefusesWhatCannotBeMeant) {
  EXPECT_NE(problems({{"ca_file", "/does/not/exist"}}), "");
  EXPECT_NE(problems({{"registries.a.plain_http", "yes"}}), "");
  EXPECT_NE(problems({{"registries.a.username", "u"}}), "");
  EXPECT_NE(problems({{"registries.a.password", "p"}}), "");
  EXPECT_NE(problems({{"registries.a.username", "u:v"}, {"registries.a.password", "p"}}), "");
  EXPECT_NE(problems({{"registries.a.username", "u"},
                      {"registries.a.password", "p"},
                      {"registries.a.password_file", "/etc/hostname"}}),
            "");
  EXPECT_NE(problems({{"registries.a.mirrors.0", "ftp://x"}}), "");
  EXPECT_NE(problems({{"registries.a.plain_http", "true"}, {"registries.a.insecure_tls", "true"}}),
            "");
  EXPECT_NE(problems({{"registries.a.ecr", "true"},
                      {"registries.a.username", "u"},
                      {"registries.a.password", "p"}}),
            "");
  EXPECT_NE(problems({{"registries.\"a/b\".plain_http", "true"}}), "");
  EXPECT_NE(problems({{"registries.x", "true"}}), "");
  EXPECT_NE(problems({{"ecr.access_key_id", "AK"}}), "");
  EXPECT_NE(problems({{"ecr.secret_access_key", "s"}}), "");
}

TEST(Config, NeverShowsASecret) {
  const std::string text = problems({{"registries.a.password", "hunter2"},
                                     {"ecr.secret_access_key", "hunter2"},
                                     {"credentials.x.password", "hunter2"}});
  EXPECT_NE(text, "");
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
}

TEST(Endpoints, SpeakHttpToLoopbackUnlessTold) {
  const auto url = [](const Map& values, const std::string& registry) {
    const auto places = places_of(good(values), registry);
    return places ? places->back().url : places.error().message;
  };
  test::TempDir dir;
  test::write_text(dir / "ca", "pem");
  EXPECT_EQ(url({}, "localhost:5000"), "http://localhost:5000");
  EXPECT_EQ(url({}, "127.0.0.1:5000"), "http://127.0.0.1:5000");
  EXPECT_EQ(url({{"registries.localhost:5000.ca_file", dir / "ca"}}, "localhost:5000"),
            "https://localhost:5000");
  EXPECT_EQ(url({{"registries.localhost:5000.plain_http", "false"}}, "localhost:5000"),
            "https://localhost:5000");
  EXPECT_EQ(url({}, "reg.example"), "https://reg.example");
  EXPECT_EQ(url({{"registries.\"reg.example\".plain_http", "true"}}, "reg.example"),
            "http://reg.example");
  EXPECT_EQ(url({}, "docker.io"), "https://registry-1.docker.io");
}

TEST(Endpoints, PutMirrorsFirst) {
  const auto places =
      places_of(good({{"registries.\"docker.io\".mirrors.0", "https://m.example/hub"},
                      {"registries.\"docker.io\".mirrors_resolve_tags", "false"}}),
                "docker.io");
  ASSERT_TRUE(places);
  ASSERT_EQ(places->size(), 2u);
  EXPECT_EQ((*places)[0].url, "https://m.example/hub");
  EXPECT_EQ((*places)[0].host, "m.example");
  EXPECT_FALSE((*places)[0].resolve_tags);
  EXPECT_TRUE((*places)[1].resolve_tags);
}

TEST(Endpoints, RefuseWhatIsNoRegistry) {
  for (const char* text : {"", "a/b", "a?b", "user@host", "a b", "host:99999999"}) {
    EXPECT_FALSE(places_of(Config{}, text)) << text;
  }
}

TEST(Endpoints, KnowEcr) {
  EXPECT_EQ(ecr_region("000000000000.dkr.ecr.eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(ecr_region("000000000000.dkr.ecr.cn-north-1.amazonaws.com.cn"), "cn-north-1");
  EXPECT_EQ(ecr_region("000000000000.dkr.ecr-fips.us-east-1.amazonaws.com"), "us-east-1");
  for (const char* other :
       {"docker.io", "000000000000.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
        "x.dkr.ecr.eu-west-1.amazonaws.com", "dkr.ecr.eu-west-1.amazonaws.com", ""}) {
    EXPECT_FALSE(is_ecr_host(other)) << other;
  }
}

bool may(const std::string& endpoint, const std::string& realm, const std::string& allowed = "") {
  RegistrySettings settings;
  settings.token_realm = allowed;
  return may_hear_password(*runtime::http::parse_url(endpoint), *runtime::http::parse_url(realm),
                           settings);
}

TEST(Endpoints, TellAPasswordToTheRegistrysOwnDomainOnly) {
  EXPECT_TRUE(may("https://registry-1.docker.io", "https://auth.docker.io/token"));
  EXPECT_TRUE(may("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"));
  EXPECT_TRUE(may("https://ghcr.io", "https://ghcr.io/token"));
  EXPECT_FALSE(may("https://ghcr.io", "https://evil.io/token"));
  EXPECT_FALSE(may("https://registry-1.docker.io", "https://evil.example/token"));
  EXPECT_FALSE(may("https://registry-1.docker.io", "https://evildocker.io/token"));
  EXPECT_FALSE(may("https://registry-1.docker.io", "http://auth.docker.io/token"));
  EXPECT_FALSE(may("https://10.0.0.1", "https://11.0.0.1/token"));
  EXPECT_FALSE(may("https://reg.example.com", "https://127.0.0.1/token"));
  EXPECT_TRUE(may("http://localhost:5000", "http://127.0.0.1:6000/token"));
  EXPECT_TRUE(may("https://ghcr.io", "https://auth.example/t/x", "https://auth.example/t"));
  EXPECT_FALSE(may("https://ghcr.io", "https://auth.example.evil/t", "https://auth.example"));
  EXPECT_FALSE(may("https://ghcr.io", "https://auth.example/tx", "https://auth.example/t"));
}

}  // namespace
}  // namespace berth::registry_ecr
