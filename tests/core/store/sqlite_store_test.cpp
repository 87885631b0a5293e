// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_store.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include "core/model/instant.hpp"
#include "tests/core/store/store_file.hpp"

namespace berth::store {
namespace {

TEST(SqliteStore, GivesBackWhatWasAppendedAfterReopening) {
  StoreFile file;
  {
    auto store = file.store();
    const auto loaded = store->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->epoch, 1u);
    EXPECT_TRUE(loaded->snapshot.empty());
    const std::string binary("\0\xff zero\0", 8);
    EXPECT_EQ(*append_now(*store, 1, {put(Kind::Task, "b", binary), put(Kind::Cluster, "x", "")}),
              1u);
    EXPECT_EQ(*append_now(*store, 1, {put(Kind::Task, "a", "1"), put(Kind::Task, "gone", "1")}),
              2u);
    EXPECT_EQ(*append_now(*store, 1, {{Kind::Task, "gone", "", true}, put(Kind::Task, "a", "2")}),
              3u);
  }
  const auto loaded = file.store()->load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->epoch, 2u);
  EXPECT_EQ(loaded->sequence, 3u);
  EXPECT_EQ(text_of(*loaded), "1 x=\n4 a=2\n4 b=" + std::string("\0\xff zero\0", 8) + "\n");
}

TEST(SqliteStore, EqualsAMapAfterRandomBatchesAndReopenings) {
  StoreFile file;
  SeededRng rng(7);
  std::map<std::pair<int, std::string>, std::string> model;
  for (int round = 0; round < 5; ++round) {
    auto store = file.store();
    const auto loaded = store->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    std::string expected;
    for (const auto& [key, value] : model) {
      expected += std::to_string(key.first) + " " + key.second + "=" + value + "\n";
    }
    ASSERT_EQ(text_of(*loaded), expected);
    for (int i = 0; i < 60; ++i) {
      Batch batch;
      for (std::uint64_t n = rng.next() % 6; n > 0; --n) {
        const auto kind = static_cast<Kind>(1 + rng.next() % 6);
        const std::string key = "k" + std::to_string(rng.next() % 40);
        const std::pair<int, std::string> at{static_cast<int>(kind), key};
        if (rng.next() % 3 == 0) {
          batch.push_back({kind, key, "", true});
          model.erase(at);
        } else {
          const std::string value = std::string(rng.next() % 9000, 'v') + rng.hex_id();
          batch.push_back(put(kind, key, value));
          model[at] = value;
        }
      }
      if (i % 20 == 19) {
        ASSERT_TRUE(append_now(*store, loaded->epoch, batch));
      } else {
        store->append(loaded->epoch, batch, [](Result<Sequence> done) { EXPECT_TRUE(done); });
      }
    }
  }
}

TEST(SqliteStore, CompletesInTheOrderOfAppendAndGroupsWhatIsQueued) {
  StoreFile file;
  std::mutex gate;
  int commits = 0;
  auto store = make_sqlite_store({file.path(), [&](std::string_view point) {
                                    if (point != "store.before_commit") return;
                                    const std::lock_guard wait(gate);
                                    ++commits;
                                  }});
  const Epoch epoch = store->load()->epoch;
  std::vector<Sequence> order;
  std::promise<void> last;
  {
    const std::lock_guard hold(gate);
    for (int i = 0; i < 500; ++i) {
      store->append(epoch, {put(Kind::Task, std::to_string(i), "v")}, [&](Result<Sequence> done) {
        order.push_back(*done);
        if (order.size() == 500) last.set_value();
      });
    }
  }
  last.get_future().wait();
  for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], i + 1);
  EXPECT_LE(commits, 2) << "the first commit took what was there, the second all the rest";
}

TEST(SqliteStore, RefusesABatchOfAnotherEpochAndGoesOn) {
  StoreFile file;
  { ASSERT_TRUE(file.store()->load()); }
  auto store = file.store();
  const Epoch epoch = store->load()->epoch;
  const auto stale = append_now(*store, epoch - 1, {put(Kind::Task, "stale", "v")});
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, Errc::Precondition);
  EXPECT_TRUE(append_now(*store, epoch, {put(Kind::Task, "fresh", "v")}));
  store.reset();
  EXPECT_EQ(text_of(*file.store()->load()), "4 fresh=v\n");
}

TEST(SqliteStore, KeepsASecondProcessOutAndSaysWhoHasIt) {
  StoreFile file;
  auto first = file.store();
  ASSERT_TRUE(first->load());
  const auto second = file.store()->load();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Unavailable);
  EXPECT_NE(second.error().message.find("in use by another process (pid " +
                                        std::to_string(getpid()) + ")"),
            std::string::npos)
      << second.error().message;
  first.reset();
  EXPECT_TRUE(file.store()->load());
}

TEST(SqliteStore, LosesNothingAcknowledgedWhenTheProcessIsKilledAroundACommit) {
  for (const char* point : {"store.before_commit", "store.after_commit"}) {
    StoreFile file;
    int acknowledged[2];
    ASSERT_EQ(pipe(acknowledged), 0);
    const pid_t child = fork();
    if (child == 0) {
      int seen = 0;
      auto store = make_sqlite_store({file.path(), [&](std::string_view at) {
                                        if (at == point && ++seen == 40) kill(getpid(), SIGKILL);
                                      }});
      const Epoch epoch = store->load()->epoch;
      for (int i = 0;; ++i) {
        static_cast<void>(append_now(*store, epoch, {put(Kind::Task, std::to_string(i), "v")}));
        if (write(acknowledged[1], ".", 1) != 1) _exit(1);
      }
    }
    close(acknowledged[1]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    std::string marks(1000, ' ');
    const ssize_t count = read(acknowledged[0], marks.data(), marks.size());
    close(acknowledged[0]);
    ASSERT_GT(count, 30);
    const auto loaded = file.store()->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_GE(loaded->snapshot.size(), static_cast<std::size_t>(count)) << point;
    EXPECT_LE(loaded->snapshot.size(), static_cast<std::size_t>(count) + 1) << point;
  }
}

TEST(SqliteStore, ReportsAFailedWriteAndAcceptsNothingAfterIt) {
  StoreFile file;
  auto store = file.store();
  const Epoch epoch = store->load()->epoch;
  ASSERT_TRUE(append_now(*store, epoch, {put(Kind::Task, "kept", "v")}));
  // A limit on file sizes stands in for a full disk: writes beyond it fail.
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{64 * 1024, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto refused =
      append_now(*store, epoch, {put(Kind::Task, "big", std::string(1 << 20, 'x'))});
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().subject, Subject::Store);
  const auto later = append_now(*store, epoch, {put(Kind::Task, "later", "v")});
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().message, refused.error().message);
  store.reset();
  EXPECT_EQ(text_of(*file.store()->load()), "4 kept=v\n");
}

}  // namespace
}  // namespace berth::store
