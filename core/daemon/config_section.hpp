// SPDX-License-Identifier: Apache-2.0
// One table of a configuration file: its members read by name, and what nobody asked for refused.
//
// Threads: any.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/model/error.hpp"

namespace berth::daemon {

using Refusal = std::optional<Error>;

// "FILE:LINE: KEY: why".
[[nodiscard]] Error refuse(std::string_view file, const toml::node& node, const std::string& key,
                           const std::string& why);

// The member of this name, for its line; the table where it has none.
[[nodiscard]] const toml::node& member_of(const toml::table& table, std::string_view key);

class Section {
 public:
  Section(std::string_view file, std::string path, const toml::table& table)
      : file_(file), path_(std::move(path)), table_(table) {}

  using Reader = std::function<Refusal(const toml::node&, const std::string& key)>;

  Section& on(std::string_view key, Reader reader) {
    readers_.emplace(key, std::move(reader));
    return *this;
  }
  Section& text(std::string_view key, std::string& out);
  // A whole number within these bounds.
  Section& number(std::string_view key, std::int64_t least, std::int64_t most, std::int64_t& out);
  Section& texts(std::string_view key, std::vector<std::string>& out);
  // Called for keys without a reader; without it they are refused.
  Section& rest(Reader reader) {
    rest_ = std::move(reader);
    return *this;
  }

  [[nodiscard]] Refusal read() const;

 private:
  std::string_view file_;
  std::string path_;
  const toml::table& table_;
  std::map<std::string, Reader> readers_;
  Reader rest_;
};

[[nodiscard]] Refusal read_positive(std::string_view file, const toml::node& node,
                                    const std::string& name, std::int64_t least,
                                    const std::function<void(std::int64_t)>& take);

// Calls `take` with each table of a list: [[key]].
[[nodiscard]] Refusal read_tables(std::string_view file, const toml::node& node,
                                  const std::string& key,
                                  const std::function<Refusal(const toml::table&)>& take);

}  // namespace berth::daemon
