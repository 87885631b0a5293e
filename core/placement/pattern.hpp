// SPDX-License-Identifier: Apache-2.0
// Pattern: a regular expression of =~ and !~, matched against whole values in time linear in the
// value.
//
// The common part of Java's syntax: literals, . [abc] [^a-z] \d \w \s \D \W \S, \t \n \x41, (..)
// (?:..) |, * + ? {n} {n,} {n,m} with lazy and possessive marks accepted where they cannot change
// whether the whole matches, ^ $, (?i) at the start. Back references, look-around and classes by
// name (\p{..}) are refused by name. Bytes, not code points: UTF-8 text matches itself. Invariants:
// a pattern has at most kMaxSteps states, so that no expression can stall the loop. Threads: any;
// immutable.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/placement/result.hpp"

namespace berth::placement {

class Pattern {
 public:
  static constexpr std::size_t kMaxSteps = 4000;

  // Errors: Invalid with `position` in `text`.
  [[nodiscard]] static Result<Pattern> compile(std::string_view text);
  [[nodiscard]] bool matches(std::string_view value) const;

  using Bytes = std::bitset<256>;
  struct Step {
    enum class Op : std::uint8_t { Take, Fork, Jump, Begin, End, Accept };
    Op op = Op::Accept;
    std::uint32_t set = 0;  // of Take: index into sets
    std::uint32_t to = 0;   // of Jump and Fork
    std::uint32_t or_to = 0;
  };

 private:
  std::vector<Step> steps_;
  std::vector<Bytes> sets_;
};

}  // namespace berth::placement
