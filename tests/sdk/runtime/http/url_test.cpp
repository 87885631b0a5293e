// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/http/url.hpp"

#include <gtest/gtest.h>

namespace berth::runtime::http {
namespace {

TEST(Url, TakesAnOrdinaryOneApart) {
  const auto url = parse_url("https://Example.com/v2/a?x=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "example.com");
  EXPECT_EQ(url->port, "443");
  EXPECT_EQ(url->path, "/v2/a");
  EXPECT_EQ(url->to_string(), "https://example.com/v2/a?x=1");
  EXPECT_EQ(url->for_people(), "https://example.com/v2/a");
}

TEST(Url, RefusesWhatIsNotHttp) {
  for (const char* text : {"file:///etc/passwd", "ftp://host/", "gopher://host", "", "http://",
                           "http://a b/", "http://host/\r\nX: y", "http://user:secret@host/"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
}

TEST(Url, KnowsLoopbackByNameOnly) {
  EXPECT_TRUE(parse_url("http://localhost:5000")->is_loopback());
  EXPECT_TRUE(parse_url("http://127.0.0.53/")->is_loopback());
  EXPECT_TRUE(parse_url("http://[::1]:5000/")->is_loopback());
  EXPECT_FALSE(parse_url("http://127.example.com/")->is_loopback());
  EXPECT_FALSE(parse_url("http://localhost.example.com/")->is_loopback());
}

TEST(Url, ResolvesRedirects) {
  const auto base = parse_url("https://host:8443/v2/a/blobs/x?y=z");
  ASSERT_TRUE(base);
  EXPECT_EQ(resolve_url(*base, "/other")->to_string(), "https://host:8443/other");
  EXPECT_EQ(resolve_url(*base, "http://elsewhere/p?q=1")->to_string(), "http://elsewhere/p?q=1");
  EXPECT_TRUE(resolve_url(*base, "https://HOST:8443/b")->same_origin(*base));
  EXPECT_FALSE(resolve_url(*base, "https://host/b")->same_origin(*base));
  EXPECT_FALSE(resolve_url(*base, "file:///etc/passwd"));
  EXPECT_FALSE(resolve_url(*base, ""));
}

TEST(Url, EncodesWhatAQueryCannotHold) {
  EXPECT_EQ(percent_encode("a b/c:~"), "a%20b%2Fc%3A~");
}

}  // namespace
}  // namespace berth::runtime::http
