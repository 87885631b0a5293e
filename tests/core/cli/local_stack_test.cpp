// SPDX-License-Identifier: Apache-2.0
#include "core/cli/local_stack.hpp"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

TEST(LocalStack, ServesAnAddressOnlyWithItsHostAndPort) {
  EXPECT_TRUE(serves("127.0.0.1:5080", "127.0.0.1:5080"));
  EXPECT_FALSE(serves("127.0.0.1:5080", "127.0.0.1:5081"));
  EXPECT_FALSE(serves("127.0.0.1:5080", "0.0.0.0:5080"));
  EXPECT_TRUE(serves("::1:5080", "::1:5080"));
}

TEST(LocalStack, ServesWhoeverAsksForAFreePortOfItsHost) {
  EXPECT_TRUE(serves("127.0.0.1:5080", "127.0.0.1:0"));
  EXPECT_FALSE(serves("127.0.0.1:5080", "0.0.0.0:0"));
}

}  // namespace
}  // namespace berth::cli
