// SPDX-License-Identifier: Apache-2.0
#include "core/control/addresses.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/model/instant.hpp"

namespace berth::control {
namespace {

AddressRange range(const char* text) {
  return *AddressRange::parse(text);
}

TEST(AddressRange, ReadsRangesAndNothingElse) {
  EXPECT_EQ(range("10.1.0.0/16").str(), "10.1.0.0/16");
  for (const char* bad : {"10.1.0.0", "10.1.0.0/33", "10.1.0.1/16", "10.1.0/16", "10.1.0.0/16x",
                          "10.01.0.0/16", "256.0.0.0/8", "10..0.0/8", "", "/8"}) {
    EXPECT_FALSE(AddressRange::parse(bad)) << bad;
  }
  EXPECT_TRUE(range("10.0.0.0/8").overlaps(range("10.3.0.0/24")));
  EXPECT_FALSE(range("10.0.0.0/24").overlaps(range("10.0.1.0/24")));
}

TEST(Addresses, KeepTheFirstFourAndTheLastBack) {
  Addresses addresses(range("10.0.0.0/28"));
  EXPECT_EQ(address_text(addresses.gateway()), "10.0.0.1");
  std::vector<std::string> given;
  while (const auto one = addresses.take()) given.push_back(address_text(*one));
  EXPECT_EQ(given.size(), 11U);
  EXPECT_EQ(given.front(), "10.0.0.4");
  EXPECT_EQ(given.back(), "10.0.0.14");
  EXPECT_FALSE(addresses.take(parse_address("10.0.0.15").value()));
  EXPECT_FALSE(addresses.take(parse_address("10.0.1.4").value()));
}

TEST(Addresses, OneThatCameBackIsTheLastToGoOut) {
  Addresses addresses(range("10.0.0.0/28"));
  const auto first = *addresses.take();
  const auto second = *addresses.take();
  addresses.give_back(second);
  addresses.give_back(first);
  for (int i = 0; i < 9; ++i) {
    const auto one = addresses.take();
    ASSERT_TRUE(one);
    EXPECT_NE(*one, first);
    EXPECT_NE(*one, second);
  }
  EXPECT_EQ(addresses.take(), second);
  EXPECT_EQ(addresses.take(), first);
  EXPECT_FALSE(addresses.take());
}

TEST(Addresses, AfterARestartThoseBehindTheRecordsComeFirst) {
  Addresses addresses(range("10.0.0.0/28"));
  EXPECT_TRUE(addresses.take(*parse_address("10.0.0.6")));
  addresses.rest(*parse_address("10.0.0.8"));
  EXPECT_FALSE(addresses.take(*parse_address("10.0.0.6"))) << "it is held";
  std::vector<std::string> given;
  while (const auto one = addresses.take()) given.push_back(address_text(*one));
  EXPECT_EQ(given, (std::vector<std::string>{"10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.12",
                                             "10.0.0.13", "10.0.0.14", "10.0.0.4", "10.0.0.5",
                                             "10.0.0.7", "10.0.0.8"}));
}

// The simplest thing that keeps the rules: each address with the time it was last held.
class Oracle {
 public:
  explicit Oracle(const AddressRange& of) {
    for (std::uint32_t a = of.base + 4; a < of.last(); ++a) since_[a] = 0;
  }
  std::optional<std::uint32_t> take() {
    std::optional<std::uint32_t> best;
    for (const auto& [address, at] : since_) {
      if (!held_[address] && (!best || at < since_[*best])) best = address;
    }
    if (best) held_[*best] = true;
    return best;
  }
  void give_back(std::uint32_t address) {
    held_[address] = false;
    since_[address] = ++clock_;
  }

 private:
  std::map<std::uint32_t, int> since_;
  std::map<std::uint32_t, bool> held_;
  int clock_ = 0;
};

TEST(Addresses, GiveWhatAnExhaustiveSearchWouldThroughAnyHistory) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRng rng(seed);
    const auto of = range(seed % 2 == 0 ? "10.0.0.0/28" : "10.0.0.0/26");
    Addresses addresses(of);
    Oracle oracle(of);
    std::vector<std::uint32_t> held;
    for (int step = 0; step < 400; ++step) {
      if (held.empty() || rng.next() % 5 < 3) {
        const auto one = addresses.take();
        ASSERT_EQ(one, oracle.take()) << "seed " << seed << " step " << step;
        if (!one) continue;
        ASSERT_EQ(std::count(held.begin(), held.end(), *one), 0) << "two holders; seed " << seed;
        held.push_back(*one);
      } else {
        const auto at = held.begin() + static_cast<std::ptrdiff_t>(rng.next() % held.size());
        addresses.give_back(*at);
        oracle.give_back(*at);
        held.erase(at);
      }
      ASSERT_EQ(addresses.held(), held.size());
    }
  }
}

}  // namespace
}  // namespace berth::control
