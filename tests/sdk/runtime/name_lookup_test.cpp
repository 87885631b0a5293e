// SPDX-License-Identifier: Apache-2.0
// Looking up names with a resolver that is there, late, or never answers.
#include "sdk/runtime/logship/name_lookup.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace berth::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

// Answers once it is let go, however long that takes. Outlives the lookup.
struct Slow {
  std::latch gate{1};
  std::atomic<int> asked = 0;
};

NameLookup::Resolve slow(const std::shared_ptr<Slow>& one) {
  return [one](const std::string& host, std::uint16_t port, int type) {
    ++one->asked;
    one->gate.wait();
    return NameLookup::ask_system(host, port, type);
  };
}

TEST(NameLookup, GivesTheAddressesOfAHost) {
  NameLookup lookup("127.0.0.1", 514, SOCK_STREAM);
  const auto found = lookup.addresses(minutes(1), {});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1U);
  const auto* address = reinterpret_cast<const sockaddr_in*>(&found->front().bytes);
  EXPECT_EQ(address->sin_family, AF_INET);
  EXPECT_EQ(ntohs(address->sin_port), 514);
  EXPECT_EQ(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
}

TEST(NameLookup, EndsAtItsTimeAndWaitsForTheSameAnswerNextTime) {
  const auto resolver = std::make_shared<Slow>();
  NameLookup lookup("127.0.0.1", 514, SOCK_STREAM, slow(resolver));
  EXPECT_EQ(lookup.addresses(milliseconds(1), {}).error().status, BERTH_DEADLINE);
  EXPECT_EQ(lookup.addresses(milliseconds(1), {}).error().status, BERTH_DEADLINE);
  resolver->gate.count_down();
  EXPECT_TRUE(lookup.addresses(minutes(1), {}));
  EXPECT_EQ(resolver->asked, 1)
      << "a resolver that does not answer is not asked by more and more threads";
  EXPECT_TRUE(lookup.addresses(minutes(1), {}));
  EXPECT_EQ(resolver->asked, 2) << "addresses change";
}

TEST(NameLookup, EndsWhenItIsCancelledAndMayGoBeforeItsResolverDoes) {
  const auto resolver = std::make_shared<Slow>();
  std::stop_source cancel;
  cancel.request_stop();
  {
    NameLookup lookup("127.0.0.1", 514, SOCK_STREAM, slow(resolver));
    EXPECT_EQ(lookup.addresses(minutes(1), cancel.get_token()).error().status, BERTH_CANCELLED);
  }
  resolver->gate.count_down();
}

}  // namespace
}  // namespace berth::runtime
