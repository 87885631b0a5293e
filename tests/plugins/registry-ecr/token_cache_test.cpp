// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/token_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

namespace berth::registry_ecr {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// A clock that stands until it is moved.
class Cache : public testing::Test {
 protected:
  std::atomic<Instant> now_{Instant{hours{1000000}}};
  TokenCache cache_{{.now = [this] { return now_.load(); }}};
  std::atomic<int> fetched_{0};

  TokenCache::Fetch gives(std::string header, seconds life) {
    return [this, header = std::move(header), life](const std::stop_token&) -> sdk::Result<Token> {
      ++fetched_;
      return Token{header, now_.load() + life};
    };
  }
  static TokenCache::Fetch fails() {
    return [](const std::stop_token&) -> sdk::Result<Token> {
      return sdk::fail(BERTH_UNAVAILABLE, "down");
    };
  }
  std::string get(TokenCache::Fetch fetch, const std::string& refused = "") {
    std::promise<std::string> out;
    cache_.get("key", refused, std::move(fetch), [&](const sdk::Result<Token>& token) {
      out.set_value(token ? token->header : "error: " + token.error().message);
    });
    auto future = out.get_future();
    if (future.wait_for(seconds{20}) != std::future_status::ready) return "nothing";
    return future.get();
  }
  void pass(seconds time) { now_ = now_.load() + time; }
};

TEST_F(Cache, FetchesOnceForAllWhoAskAtATime) {
  std::latch all_asked{1};
  std::latch all_told{20};
  std::atomic<int> told{0};
  for (int i = 0; i < 20; ++i) {
    cache_.get(
        "key", "",
        [&](const std::stop_token&) -> sdk::Result<Token> {
          all_asked.wait();
          ++fetched_;
          return Token{"one", now_.load() + hours{1}};
        },
        [&](const sdk::Result<Token>& token) {
          told += token && token->header == "one";
          all_told.count_down();
        });
  }
  all_asked.count_down();
  all_told.wait();
  EXPECT_EQ(fetched_, 1);
  EXPECT_EQ(told, 20);
}

TEST_F(Cache, RenewsBeforeTheEnd) {
  EXPECT_EQ(get(gives("first", hours{12})), "first");
  pass(hours{11});
  EXPECT_EQ(get(gives("second", hours{12})), "first");
  pass(minutes{16});
  EXPECT_EQ(get(gives("second", hours{12})), "second");
  EXPECT_EQ(fetched_, 2);
}

TEST_F(Cache, KeepsTheOldOneWhereRenewingFailsUntilItEnds) {
  EXPECT_EQ(get(gives("first", seconds{100})), "first");
  pass(seconds{80});
  EXPECT_EQ(get(fails()), "first");
  pass(seconds{21});
  EXPECT_EQ(get(fails()), "error: down");
  EXPECT_EQ(get(gives("second", seconds{100})), "second");
}

TEST_F(Cache, DoesNotGiveARefusedOneAgain) {
  EXPECT_EQ(get(gives("first", hours{12})), "first");
  EXPECT_EQ(get(gives("second", hours{12}), "first"), "second");
  // Who was slower asks with the old one, and gets what the first brought.
  EXPECT_EQ(get(gives("third", hours{12}), "first"), "second");
  EXPECT_EQ(get(fails(), "second"), "error: down");
}

TEST(CacheEnd, AnswersWhatWaits) {
  std::atomic<int> cancelled{0};
  {
    TokenCache cache{{.threads = 1}};
    std::promise<void> started;
    for (int i = 0; i < 3; ++i) {
      cache.get(
          "key" + std::to_string(i), "",
          [&started, i](const std::stop_token& stop) -> sdk::Result<Token> {
            std::promise<void> stopped;
            const std::stop_callback told{stop, [&] { stopped.set_value(); }};
            if (i == 0) started.set_value();
            stopped.get_future().wait();
            return sdk::fail(BERTH_CANCELLED, "cancelled");
          },
          [&](const sdk::Result<Token>& token) {
            cancelled += !token && token.error().status == BERTH_CANCELLED;
          });
    }
    started.get_future().wait();
  }
  EXPECT_EQ(cancelled, 3);
}

TEST(CacheSize, StaysBounded) {
  TokenCache cache{{.entries = 8}};
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) {
      std::promise<bool> done;
      cache.get(
          std::to_string(i), "",
          [](const std::stop_token&) -> sdk::Result<Token> {
            return Token{"t", std::chrono::system_clock::now() + hours{1}};
          },
          [&](const sdk::Result<Token>& token) { done.set_value(token.has_value()); });
      EXPECT_TRUE(done.get_future().get());
    }
  }
}

}  // namespace
}  // namespace berth::registry_ecr
