// SPDX-License-Identifier: Apache-2.0
// The plugin's part of berth.toml, read in the constructor of its roles.
//
// Every key must be read there: what is left over is unknown and makes create fail, as does a value
// that cannot be used. So an operator's slip is reported by name and never ignored.
//
// Threads: one at a time, in constructors only.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/result.hpp"

namespace berth::sdk {

struct IntegerBounds {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

class Settings {
 public:
  template <typename Map>
  explicit Settings(const Map& values) : values_(values.begin(), values.end()) {}

  [[nodiscard]] bool has(const std::string& key) const { return values_.contains(key); }

  [[nodiscard]] std::string text(const std::string& key, std::string fallback = {}) {
    const std::string* value = take(key);
    return value ? *value : fallback;
  }

  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t fallback,
                                     IntegerBounds bounds = {}) {
    const std::string* value = take(key);
    if (!value) return fallback;
    std::int64_t number = 0;
    const char* end = value->data() + value->size();
    const auto [stop, problem] = std::from_chars(value->data(), end, number);
    if (problem != std::errc() || stop != end) {
      reject(key, "'" + *value + "' is not a whole number");
      return fallback;
    }
    if (number < bounds.min || number > bounds.max) {
      reject(key, *value + " is not between " + std::to_string(bounds.min) + " and " +
                      std::to_string(bounds.max));
      return fallback;
    }
    return number;
  }

  [[nodiscard]] bool flag(const std::string& key, bool fallback) {
    const std::string* value = take(key);
    if (!value) return fallback;
    if (*value == "true") return true;
    if (*value != "false") reject(key, "'" + *value + "' is neither true nor false");
    return *value == "false" ? false : fallback;
  }

  // The items of an array; a single value counts as an array of one.
  [[nodiscard]] std::vector<std::string> list(const std::string& key) {
    std::vector<std::string> items;
    if (const std::string* value = take(key)) items.push_back(*value);
    for (std::size_t i = 0;; ++i) {
      const std::string* value = take(key + "." + std::to_string(i));
      if (!value) return items;
      items.push_back(*value);
    }
  }

  // All keys of a nested table, without "table.", with their values; sorted.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> table(const std::string& key) {
    std::vector<std::pair<std::string, std::string>> rows;
    const std::string prefix = key + ".";
    for (const auto& [name, value] : values_) {
      if (!name.starts_with(prefix)) continue;
      read_.insert(name);
      rows.emplace_back(name.substr(prefix.size()), value);
    }
    return rows;
  }

  // Notes what is wrong with a value; create will fail with it.
  void reject(const std::string& key, const std::string& problem) {
    problems_.push_back(key + ": " + problem);
  }

  // Errors: Invalid, naming every problem and unknown key.
  [[nodiscard]] Result<void> check() const {
    std::string text;
    const auto add = [&](const std::string& line) { text += (text.empty() ? "" : "; ") + line; };
    for (const std::string& problem : problems_) add(problem);
    for (const auto& [name, value] : values_) {
      if (!read_.contains(name)) add("unknown key '" + name + "'");
    }
    if (text.empty()) return {};
    return fail(BERTH_INVALID, text);
  }

 private:
  [[nodiscard]] const std::string* take(const std::string& key) {
    const auto it = values_.find(key);
    if (it == values_.end()) return nullptr;
    read_.insert(key);
    return &it->second;
  }

  std::map<std::string, std::string> values_;
  std::set<std::string> read_;
  std::vector<std::string> problems_;
};

}  // namespace berth::sdk
