// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/secret.hpp"

#include <gtest/gtest.h>

#include "sdk/fleet/transport.hpp"

namespace berth::fleet {
namespace {

TEST(JoinToken, IsReadAsItIsWritten) {
  const JoinToken token{random_hex(32), random_hex(32)};
  const auto read = JoinToken::parse(" " + token.text() + "\r\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->fingerprint, token.fingerprint);
  EXPECT_EQ(read->secret, token.secret);
}

TEST(JoinToken, IsRefusedWhereItIsNotOne) {
  const std::string hex(64, 'a');
  for (const std::string& text : {std::string(), std::string(" \n"), "berth1:" + hex, "berth2:" + hex + ":" + hex,
                                  "berth1:" + hex + ":" + hex + "0", "berth1:" + std::string(64, 'A') + ":" + hex,
                                  "berth1:" + hex + ":" + hex + " x"}) {
    EXPECT_FALSE(JoinToken::parse(text)) << text;
  }
}

TEST(Secret, HashesAsTheStandardSays) {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Secret, IsNeverTheSame) { EXPECT_NE(random_hex(16), random_hex(16)); }

TEST(Endpoint, ReadsNamesAndBothKindsOfAddress) {
  EXPECT_EQ(Endpoint::parse("10.0.0.1:5081")->host, "10.0.0.1");
  EXPECT_EQ(Endpoint::parse("10.0.0.1:5081")->port, 5081);
  EXPECT_EQ(Endpoint::parse("[::1]:0")->host, "::1");
  EXPECT_EQ(Endpoint::parse("[::1]:0")->text(), "[::1]:0");
  EXPECT_EQ(Endpoint::parse(":80")->host, "");
  for (const char* text : {"", "host", "host:", "host:x", "host:65536", "host:123456", "::1:80", "host:-1"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

}  // namespace
}  // namespace berth::fleet
