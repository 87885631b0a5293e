// SPDX-License-Identifier: Apache-2.0
#include "core/placement/affinity.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace berth::placement {
namespace {

struct Host final : NodeFacts {
  std::map<std::string, std::string, std::less<>> attributes;
  std::vector<std::string> groups;

  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view name) const override {
    const auto found = attributes.find(name);
    return found == attributes.end() ? std::nullopt
                                     : std::optional<std::string_view>(found->second);
  }
  [[nodiscard]] bool agent_connected() const override { return true; }
  [[nodiscard]] std::string_view agent_version() const override { return ""; }
  [[nodiscard]] std::string_view ec2_instance_id() const override { return ""; }
  [[nodiscard]] std::int64_t registered_at_ms() const override { return 0; }
  [[nodiscard]] std::int64_t running_tasks() const override {
    return static_cast<std::int64_t>(groups.size());
  }
  [[nodiscard]] bool any_group(const GroupTest& test) const override {
    for (const std::string& group : groups) {
      if (test(group)) return true;
    }
    return false;
  }
};

TEST(Affinity, AddsTheWeightsOfTheTermsThatHold) {
  const auto affinity = Affinity::make({{"attribute:disk == ssd", 100},
                                        {"task:group == service:db", -30},
                                        {"attribute:rack == r1", 7}});
  ASSERT_TRUE(affinity.has_value());
  Host host;
  EXPECT_EQ(affinity->score(host), 0);
  host.attributes["disk"] = "ssd";
  EXPECT_EQ(affinity->score(host), 100);
  host.groups = {"service:web", "service:db"};
  EXPECT_EQ(affinity->score(host), 70);
  host.attributes = {{"disk", "hdd"}, {"rack", "r1"}};
  EXPECT_EQ(affinity->score(host), -23);
}

TEST(Affinity, KnowsWhetherTasksChangeIt) {
  EXPECT_FALSE(Affinity::make({{"attribute:disk == ssd", 1}})->depends_on_tasks());
  EXPECT_TRUE(Affinity::make({{"attribute:disk == ssd", 1}, {"runningTasksCount < 3", 1}})
                  ->depends_on_tasks());
  EXPECT_FALSE(Affinity::make({})->depends_on_tasks());
}

TEST(Affinity, NamesTheMemberThatIsWrong) {
  const auto fault = [](const std::vector<AffinityTerm>& terms) {
    const auto made = Affinity::make(terms);
    return made ? std::string("none") : made.error().what;
  };
  const AffinityTerm good{"attribute:disk exists", 1};
  EXPECT_EQ(fault({good, {good.expression, 0}}), "affinity[1].weight");
  EXPECT_EQ(fault({{good.expression, 1001}}), "affinity[0].weight");
  EXPECT_EQ(fault({{good.expression, -1001}}), "affinity[0].weight");
  EXPECT_EQ(fault({good, good, {"attribute:disk = ssd", 1}}), "affinity[2].expression");
  EXPECT_EQ(Affinity::make({{"attribute:disk = ssd", 1}}).error().position, 15U);
  EXPECT_EQ(fault(std::vector(11, good)), "affinity");
  EXPECT_EQ(fault(std::vector(10, good)), "none");
}

}  // namespace
}  // namespace berth::placement
