// SPDX-License-Identifier: Apache-2.0
#include "core/cli/request_signature.hpp"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

TEST(RequestSignature, KeepsTheOrderOfWordsOnTheWire) {
  EXPECT_EQ(query_text({{"command", "ls"}, {"command", "a b&c"}, {"task", "x/y"}}),
            "command=ls&command=a%20b%26c&task=x%2Fy");
}

// The expected value was computed by another program from AWS's description.
TEST(RequestSignature, IsOfTheSortedQueryWhateverItsOrder) {
  const ApiOptions options{.access_key = "AKID", .secret_key = "secret"};
  const std::string expected =
      "AWS4-HMAC-SHA256 Credential=AKID/20231114/us-east-1/ecs/aws4_request, "
      "SignedHeaders=host;x-amz-date, Signature="
      "ec56ba2dbc0bc7a070f9cf3415cde35696289766110fb46451b45d291f2c5c54";
  for (const QueryParameters& query :
       {QueryParameters{{"b", "2"}, {"a", "x y"}}, QueryParameters{{"a", "x y"}, {"b", "2"}}}) {
    const auto headers = sign_get({"h:1", "/berth/v1/exec", query}, options, 1'700'000'000);
    EXPECT_EQ(headers.date, "20231114T221320Z");
    EXPECT_EQ(headers.authorization, expected);
  }
}

}  // namespace
}  // namespace berth::cli
