// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/timed_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "tests/support/memory_store.hpp"

namespace berth::daemon {
namespace {

using ::testing::HasSubstr;

TEST(TimedStore, ObservesEachBatchOnceItIsDurable) {
  prometheus::Registry registry;
  test::MemoryDisk disk;
  auto memory = std::make_unique<test::MemoryStore>(disk);
  test::MemoryStore& inner = *memory;
  std::int64_t clock = 0;
  const auto store = timed_store(std::move(memory), registry, [&clock] { return clock; });
  const auto loaded = store->load();
  ASSERT_TRUE(loaded);
  int answered = 0;
  store->append(loaded->epoch, {{store::Kind::Cluster, "a", "1"}},
                [&](Result<store::Sequence> result) { answered += result ? 1 : 0; });
  const auto text = [&] { return prometheus::TextSerializer().Serialize(registry.Collect()); };
  EXPECT_THAT(text(), HasSubstr("berth_store_commit_seconds_count 0\n"));
  clock += 3'000'000;
  inner.sync_one();
  EXPECT_EQ(answered, 1);
  EXPECT_THAT(text(), HasSubstr("berth_store_commit_seconds_count 1\n"));
  EXPECT_THAT(text(), HasSubstr("berth_store_commit_seconds_bucket{le=\"0.002\"} 0\n"));
  EXPECT_THAT(text(), HasSubstr("berth_store_commit_seconds_bucket{le=\"0.005\"} 1\n"));
}

}  // namespace
}  // namespace berth::daemon
