// SPDX-License-Identifier: Apache-2.0
// A table of comma-separated values with a header, whose every fault is told by file, line and
// column.
//
// Fields are as they stand: no quotes (a quote is a fault), no blanks taken off. Threads: any; a
// table is immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/replay/text_file.hpp"

namespace berth::replay {

class CsvTable {
 public:
  // Errors: no header, a column twice, a row of another width, a quote.
  [[nodiscard]] static Outcome<CsvTable> parse(std::string file, std::string text);

  [[nodiscard]] std::size_t rows() const { return lines_.size(); }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const;
  // Errors: no such column.
  [[nodiscard]] Outcome<std::size_t> column(std::string_view name) const;
  // Requires: row < rows(), column from find or column. Valid as long as the table.
  [[nodiscard]] std::string_view text(std::size_t row, std::size_t column) const;
  struct Range {
    std::int64_t least = 0;
    std::int64_t most = 0;
  };
  // Errors: not a decimal integer in the range.
  [[nodiscard]] Outcome<std::int64_t> integer(std::size_t row, std::size_t column,
                                              Range range) const;
  // "file:line: column NAME MESSAGE".
  [[nodiscard]] std::string fault(std::size_t row, std::size_t column,
                                  std::string_view message) const;

 private:
  CsvTable() = default;
  struct Field {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  [[nodiscard]] std::string_view view(const Field& field) const {
    return std::string_view(text_).substr(field.begin, field.size);
  }
  [[nodiscard]] Outcome<std::vector<Field>> split(std::size_t begin, std::size_t end,
                                                  std::size_t line) const;
  [[nodiscard]] std::string at(std::size_t line) const;

  std::string file_;
  std::string text_;
  std::vector<Field> header_;
  std::vector<Field> fields_;       // row after row
  std::vector<std::size_t> lines_;  // of each row, from 1
};

}  // namespace berth::replay
