// SPDX-License-Identifier: Apache-2.0
#include "core/cli/table.hpp"

#include <algorithm>
#include <ostream>

namespace berth::cli {

Table::Table(std::vector<std::string> heads) { rows_.push_back(std::move(heads)); }

void Table::row(std::vector<std::string> cells) {
  cells.resize(rows_.front().size());
  rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::string span_text(double seconds) {
  const auto whole = static_cast<long>(std::max(0.0, seconds));
  const auto say = [](long n, const char* unit) {
    return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
  };
  if (whole < 120) return say(whole, "second");
  if (whole < 120 * 60) return say(whole / 60, "minute");
  if (whole < 48 * 3600) return say(whole / 3600, "hour");
  return say(whole / 86400, "day");
}

}  // namespace berth::cli
