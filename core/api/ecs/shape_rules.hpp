// SPDX-License-Identifier: Apache-2.0
// What requests may hold, member by member. Pure; the table lives as long as the program.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace berth::api {

inline constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();

// One member. `least` and `most` bound a number, the length of a string, or the size of a list.
struct Rule {
  bool required = false;
  std::string_view one_of{};  // "A,B"
  std::int64_t least = kNone;
  std::int64_t most = kNone;
  std::string_view words{};  // how ECS's message calls the member, where it is not the path
  std::string_view text{};   // the whole message, where ECS's is known
  bool client_exception = false;
};

// Of a member by its message's and its own name ("RunTaskRequest.count"); null: anything goes.
[[nodiscard]] const Rule* rule_of(std::string_view member);

}  // namespace berth::api
