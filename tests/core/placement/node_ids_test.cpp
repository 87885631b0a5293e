// SPDX-License-Identifier: Apache-2.0
#include "core/placement/node_ids.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/placement/compact_string.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

TEST(NodeIds, FindsWhatIsThereAndNothingElse) {
  std::vector<std::string> names(3000);
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = "node-" + std::to_string(i);
  const auto id_of = [&](std::uint32_t node) { return std::string_view(names[node]); };
  NodeIds ids;
  std::map<std::uint32_t, bool> there;
  EXPECT_FALSE(ids.find("node-0", id_of).has_value());
  Draw draw(4);
  for (int step = 0; step < 20'000; ++step) {
    const auto node = static_cast<std::uint32_t>(draw.below(step < 10'000 ? 3000 : 50));
    if (there.erase(node) > 0) {
      ids.remove(node, id_of);
    } else {
      ids.add(node, id_of);
      there[node] = true;
    }
    ASSERT_EQ(ids.size(), there.size());
    const auto asked = static_cast<std::uint32_t>(draw.below(3000));
    const auto found = ids.find(names[asked], id_of);
    ASSERT_EQ(found.has_value(), there.contains(asked));
    if (found) {
      ASSERT_EQ(*found, asked);
    }
  }
  for (std::uint32_t node = 0; node < names.size(); ++node)
    ASSERT_EQ(ids.find(names[node], id_of).has_value(), there.contains(node));
  EXPECT_GE(ids.bytes(), there.size() * sizeof(std::uint32_t));
}

TEST(CompactString, IsTheTextItWasMadeOf) {
  EXPECT_EQ(CompactString().view(), "");
  EXPECT_EQ(CompactString().bytes(), 0u);
  EXPECT_EQ(CompactString("").bytes(), 0u);
  const std::string text(300, 'x');
  EXPECT_EQ(CompactString(text).view(), text);
  EXPECT_EQ(CompactString(text).bytes(), 304u);
}

}  // namespace
}  // namespace berth::placement::testing
