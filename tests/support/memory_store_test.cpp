// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_store.hpp"

#include <gtest/gtest.h>

namespace berth::test {
namespace {

store::Batch one(const std::string& key) {
  return {{store::Kind::Task, key, "v"}};
}

TEST(MemoryStore, TellsOfABatchOnlyWhenItIsSynced) {
  MemoryDisk disk;
  MemoryStore store(disk);
  const auto epoch = store.load()->epoch;
  int done = 0;
  for (int i = 0; i < 3; ++i) {
    store.append(epoch, one(std::to_string(i)), [&, i](Result<store::Sequence> result) {
      EXPECT_EQ(done++, i);
      EXPECT_EQ(*result, static_cast<store::Sequence>(i + 1));
    });
  }
  EXPECT_EQ(disk.find(store::Kind::Task, "0"), nullptr);
  store.sync_one();
  EXPECT_EQ(done, 1);
  EXPECT_NE(disk.find(store::Kind::Task, "0"), nullptr);
  EXPECT_EQ(disk.find(store::Kind::Task, "1"), nullptr);
  store.sync();
  EXPECT_EQ(done, 3);
}

TEST(MemoryStore, LosesItsUnsyncedTailInACrashAndKeepsAPrefixOfItUntold) {
  MemoryDisk disk;
  MemoryStore store(disk);
  const auto epoch = store.load()->epoch;
  for (int i = 0; i < 3; ++i) {
    store.append(epoch, one(std::to_string(i)), [](Result<store::Sequence>) { FAIL(); });
  }
  store.crash(1);
  MemoryStore next(disk);
  const auto loaded = next.load();
  EXPECT_EQ(loaded->epoch, epoch + 1);
  ASSERT_EQ(loaded->snapshot.size(), 1u);
  EXPECT_EQ(loaded->snapshot[0].key, "0");
}

TEST(MemoryStore, RefusesAnOlderEpochAndEverythingAfterAFailure) {
  MemoryDisk disk;
  MemoryStore old(disk);
  const auto epoch = old.load()->epoch;
  MemoryStore fresh(disk);
  ASSERT_TRUE(fresh.load());
  int refused = 0;
  const auto count = [&](Result<store::Sequence> result) { refused += result ? 0 : 1; };
  old.append(epoch, one("a"), count);
  old.append(epoch, one("b"), count);
  old.sync();
  EXPECT_EQ(refused, 2);
  EXPECT_TRUE(disk.records.empty());
}

}  // namespace
}  // namespace berth::test
