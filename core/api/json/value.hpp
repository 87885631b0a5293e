// SPDX-License-Identifier: Apache-2.0
// A JSON text as a tree that keeps numbers as they were written and members in their order.
//
// Threads: any, as for standard containers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/error.hpp"

namespace berth::api::json {

struct Member;

struct Value {
  enum class Kind { Null, False, True, Number, String, List, Object };
  Kind kind = Kind::Null;
  std::string text;             // Number: as written. String: decoded, UTF-8.
  std::vector<Value> items;     // List
  std::vector<Member> members;  // Object; names are unique

  // Null where there is no such member.
  [[nodiscard]] const Value* find(std::string_view name) const;
};

struct Member {
  std::string name;
  Value value;
};

struct ParseLimits {
  std::size_t depth = 32;
  std::size_t values = 100'000;  // in all, so that a small text cannot become a large tree
};

// Errors: Invalid, Subject::None, for anything that is no JSON (RFC 8259), not UTF-8, has a member
// twice, or exceeds a limit.
[[nodiscard]] Result<Value> parse(std::string_view text, ParseLimits limits = {});

// Appends `text` as a JSON string; bytes that are not UTF-8 become U+FFFD.
void write_string(std::string& out, std::string_view text);
void write(std::string& out, const Value& value);

}  // namespace berth::api::json
