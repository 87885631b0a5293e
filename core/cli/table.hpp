// SPDX-License-Identifier: Apache-2.0
// Columns for people: left-aligned, as wide as their widest cell, two blanks between them.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace berth::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heads);
  void row(std::vector<std::string> cells);
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first one is the heads
};

// "12 seconds", "3 minutes", "5 hours", "9 days"; a negative span counts as none.
[[nodiscard]] std::string span_text(double seconds);

}  // namespace berth::cli
