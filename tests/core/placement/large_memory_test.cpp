// SPDX-License-Identifier: Apache-2.0
#include "core/placement/large_memory.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/placement/engine.hpp"

namespace berth::placement::testing {
namespace {

struct Shown {
  void* at = nullptr;
  std::size_t bytes = 0;
};
std::vector<Shown>& shown() {
  static std::vector<Shown> all;
  return all;
}
void show(void* at, std::size_t bytes) {
  shown().push_back({at, bytes});
}

constexpr std::size_t kPage = std::size_t{2} << 20;

TEST(LargeMemory, IsShownInWholePagesAndSmallMemoryIsNot) {
  shown().clear();
  LargeVector<char> some(1'000'000, 'x', LargeAllocator<char>(show));
  EXPECT_TRUE(shown().empty());
  some.resize(9'000'000, 'y');
  ASSERT_EQ(shown().size(), 1u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shown()[0].at) % kPage, 0u);
  EXPECT_EQ(shown()[0].bytes % kPage, 0u);
  EXPECT_GE(shown()[0].bytes, 9'000'000u);
  EXPECT_EQ(shown()[0].at, some.data());
  EXPECT_EQ(some.front(), 'x');
  EXPECT_EQ(some.back(), 'y');
}

TEST(LargeMemory, OfAStackStaysWhereItIs) {
  Stack<int> stack(nullptr);
  stack.grow(1);
  int* first = &stack[0];
  *first = 7;
  for (int i = 0; i < 100; ++i) {
    const std::uint32_t before = stack.size();
    stack.grow(1'000);
    ASSERT_GE(stack.size(), before + 1'000);
    // A run that was made at once lies in one piece.
    ASSERT_EQ(&stack[before] + 999, &stack[before + 999]);
  }
  EXPECT_EQ(&stack[0], first);
  EXPECT_EQ(stack[0], 7);
}

TEST(LargeMemory, OfAnEngineIsShownOnceTheClusterIsLarge) {
  shown().clear();
  Engine engine({.advise_memory = show});
  for (int node = 0; node < 150'000; ++node) {
    ASSERT_TRUE(engine.add_node(
        {.id = std::to_string(node), .owner = "ec2", .cpu = 1'024, .memory_mib = 1'024}));
    if (node == 1'000) {
      ASSERT_TRUE(shown().empty());
    }
  }
  ASSERT_FALSE(shown().empty());
  for (const Shown& one : shown()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(one.at) % kPage, 0u);
    EXPECT_EQ(one.bytes % kPage, 0u);
  }
}

}  // namespace
}  // namespace berth::placement::testing
