// SPDX-License-Identifier: Apache-2.0
// FitSteps: the amounts of cpu that requests ask for, as the few steps that a FitTree tells apart.
//
// The first kMost different amounts are a step each. Later ones make do with the step below theirs,
// until so many of them came that steps are chosen anew, evenly spaced over what is asked then:
// each time after twice as many, since trees are made anew for each change. Invariant: no request
// that is there asks for less than the first step. Threads: one at a time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>

#include "core/placement/lanes.hpp"

namespace berth::placement {

// An amount in 15 bits, as coarse as a thousandth of it: a <= b makes code_of(a) <= code_of(b).
// 0: there is nothing (lanes::kNothing); 1: nothing is left, or less.
[[nodiscard]] inline std::int16_t code_of(std::int32_t amount) {
  if (amount < 1) return amount == lanes::kNothing ? 0 : 1;
  const auto bits = std::bit_cast<std::int32_t>(static_cast<float>(amount));
  return static_cast<std::int16_t>(2 + ((bits - std::bit_cast<std::int32_t>(1.0F)) >> 13));
}

// What a node offers.
struct FitCode {
  std::int16_t cpu = 0;
  std::int16_t memory = 0;
  bool operator==(const FitCode&) const = default;
};

class FitSteps {
 public:
  static constexpr std::uint32_t kMost = 16;

  // A request that asks for so much cpu came (before its first search), or went.
  void came(std::int32_t cpu);
  void went(std::int32_t cpu);

  // Counts the changes of what follows.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  // Codes of amounts, ascending; INT16_MAX beyond `count`.
  [[nodiscard]] const std::array<std::int16_t, kMost>& codes() const { return codes_; }

 private:
  void insert(std::int16_t code);
  void choose();

  std::map<std::int16_t, std::uint32_t> asked_;  // code -> requests
  std::uint32_t missed_ = 0;                     // amounts without a step since the last choice
  std::uint32_t patience_ = kMost;
  std::uint64_t version_ = 0;
  std::uint32_t count_ = 0;
  std::array<std::int16_t, kMost> codes_ = none();

  static constexpr std::array<std::int16_t, kMost> none() {
    std::array<std::int16_t, kMost> out{};
    out.fill(INT16_MAX);
    return out;
  }
};

}  // namespace berth::placement
