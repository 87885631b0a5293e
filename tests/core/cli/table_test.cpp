// SPDX-License-Identifier: Apache-2.0
#include "core/cli/table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace berth::cli {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoBlanksAtTheEnd) {
  Table table({"A", "LONG", "B"});
  table.row({"wide cell", "x", ""});
  std::ostringstream out;
  table.print(out);
  EXPECT_EQ(out.str(), "A          LONG  B\nwide cell  x\n");
}

TEST(SpanText, UsesTheUnitThatPeopleWould) {
  EXPECT_EQ(span_text(-3), "0 seconds");
  EXPECT_EQ(span_text(1), "1 second");
  EXPECT_EQ(span_text(119), "119 seconds");
  EXPECT_EQ(span_text(125), "2 minutes");
  EXPECT_EQ(span_text(3 * 3600), "3 hours");
  EXPECT_EQ(span_text(9 * 86400), "9 days");
}

}  // namespace
}  // namespace berth::cli
