// SPDX-License-Identifier: Apache-2.0
// The syntax tree of a Pattern, shared by its parser and its compiler.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/placement/pattern.hpp"

namespace berth::placement {

// Gone once the steps are written.
struct PatternTree {
  enum class Kind { Take, Begin, End, Sequence, Either, Repeat };
  static constexpr std::size_t kUnbounded = static_cast<std::size_t>(-1);

  Kind kind = Kind::Sequence;
  Pattern::Bytes bytes{};  // of Take
  std::size_t least = 0;   // of Repeat
  std::size_t most = 0;
  std::vector<PatternTree> parts{};
};

struct PatternFailure {
  std::string message;
  std::size_t position = 0;
};

[[nodiscard]] std::variant<PatternTree, PatternFailure> parse_pattern(std::string_view text);

}  // namespace berth::placement
