// SPDX-License-Identifier: Apache-2.0
#include "core/placement/value_numbers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

TEST(ValueNumbers, AreEqualWhereValuesAre) {
  ValueNumbers numbers("rack");
  std::map<std::uint32_t, std::optional<std::string>> model;  // by class
  Draw draw(7);
  for (int step = 0; step < 5'000; ++step) {
    const auto number = static_cast<std::uint32_t>(draw.below(60));
    if (model.contains(number)) {
      numbers.remove(number);
      model.erase(number);
    } else {
      NodeClass what;
      if (!draw.one_in(5)) what.attributes = {{"rack", std::to_string(draw.below(12))}};
      what.attributes.push_back({"zone", "a"});
      numbers.add(number, what);
      model[number] =
          what.attributes.size() == 1 ? std::nullopt : std::optional(what.attributes[0].value);
    }
    std::map<std::uint32_t, std::optional<std::string>> value_of;
    for (const auto& [known, value] : model) {
      const std::uint32_t of = numbers.of_class(known);
      ASSERT_LT(of, numbers.end());
      ASSERT_EQ(of == 0, !value.has_value());
      ASSERT_EQ(value_of.try_emplace(of, value).first->second, value);
      ASSERT_TRUE(numbers.in_use(of));
    }
    for (std::uint32_t value = 0; value < numbers.end(); ++value)
      ASSERT_EQ(numbers.in_use(value), value_of.contains(value));
  }
  EXPECT_EQ(numbers.attribute(), "rack");
  EXPECT_LE(numbers.end(), 13u);  // numbers are used again
  EXPECT_GT(numbers.bytes(), 0u);
}

}  // namespace
}  // namespace berth::placement::testing
