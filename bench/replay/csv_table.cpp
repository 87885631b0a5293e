// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace berth::replay {

std::string CsvTable::at(std::size_t line) const {
  return file_ + ":" + std::to_string(line) + ": ";
}

Outcome<std::vector<CsvTable::Field>> CsvTable::split(std::size_t begin, std::size_t end,
                                                      std::size_t line) const {
  std::vector<Field> out;
  const std::string_view text = std::string_view(text_).substr(0, end);
  if (text.find('"', begin) != std::string_view::npos) {
    return tl::unexpected(at(line) + "quoted fields are not supported");
  }
  for (std::size_t from = begin;;) {
    const std::size_t comma = std::min(text.find(',', from), end);
    out.push_back({from, comma - from});
    if (comma == end) return out;
    from = comma + 1;
  }
}

Outcome<CsvTable> CsvTable::parse(std::string file, std::string text) {
  CsvTable out;
  out.file_ = std::move(file);
  out.text_ = std::move(text);
  std::size_t line = 0;
  for (std::size_t begin = 0; begin < out.text_.size();) {
    const std::size_t newline = std::min(out.text_.find('\n', begin), out.text_.size());
    const bool returns = newline > begin && out.text_[newline - 1] == '\r';
    const std::size_t end = newline - (returns ? 1 : 0);
    ++line;
    if (end > begin) {
      Outcome<std::vector<Field>> fields = out.split(begin, end, line);
      if (!fields) return tl::unexpected(std::move(fields).error());
      if (out.header_.empty()) {
        out.header_ = *std::move(fields);
      } else if (fields->size() != out.header_.size()) {
        return tl::unexpected(out.at(line) + "has " + std::to_string(fields->size()) +
                              " fields, the header has " + std::to_string(out.header_.size()));
      } else {
        out.fields_.insert(out.fields_.end(), fields->begin(), fields->end());
        out.lines_.push_back(line);
      }
    }
    begin = newline + 1;
  }
  if (out.header_.empty()) return tl::unexpected(out.at(1) + "has no header");
  for (std::size_t i = 0; i < out.header_.size(); ++i) {
    if (out.find(out.view(out.header_[i])) != i) {
      return tl::unexpected(out.at(1) + "has the column " + std::string(out.view(out.header_[i])) +
                            " twice");
    }
  }
  return out;
}

std::optional<std::size_t> CsvTable::find(std::string_view column) const {
  for (std::size_t i = 0; i < header_.size(); ++i) {
    if (view(header_[i]) == column) return i;
  }
  return std::nullopt;
}

Outcome<std::size_t> CsvTable::column(std::string_view name) const {
  if (const std::optional<std::size_t> found = find(name)) return *found;
  return tl::unexpected(at(1) + "has no column " + std::string(name));
}

std::string_view CsvTable::text(std::size_t row, std::size_t column) const {
  return view(fields_[row * header_.size() + column]);
}

Outcome<std::int64_t> CsvTable::integer(std::size_t row, std::size_t column, Range range) const {
  const std::string_view field = text(row, column);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) {
    return tl::unexpected(fault(row, column, "is not an integer"));
  }
  if (value < range.least || value > range.most) {
    return tl::unexpected(
        fault(row, column,
              "is not from " + std::to_string(range.least) + " to " + std::to_string(range.most)));
  }
  return value;
}

std::string CsvTable::fault(std::size_t row, std::size_t column, std::string_view message) const {
  std::string out = at(lines_[row]) + "column " + std::string(view(header_[column])) + " ";
  return out.append(message) + ": '" + std::string(text(row, column).substr(0, 80)) + "'";
}

}  // namespace berth::replay
