// SPDX-License-Identifier: Apache-2.0
// Which addresses of a subnet belong to whom.
//
// Invariants: 1. An address has one holder at most. 2. One that was given back is the last to be
// given out again: neighbours and connections may still remember it. 3. The first four addresses
// and the last are nobody's (network, gateway, two kept back as AWS keeps them, broadcast). Pure;
// addresses are in host byte order. Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "core/model/subnet.hpp"

namespace berth::control {

class Addresses {
 public:
  static constexpr std::uint32_t kKeptBack = 4;  // at the beginning
  // Requires: the range has more than five addresses.
  explicit Addresses(AddressRange range);

  // The next one: of those not known to be given out in their order, else the one given back
  // longest ago.
  [[nodiscard]] std::optional<std::uint32_t> take();
  // This one, as a record says. Those before it come after all those behind it. False where it is
  // held, or not of this subnet.
  bool take(std::uint32_t address);
  // Requires: it is held.
  void give_back(std::uint32_t address);
  // Of a record whose holder has ended: as taken and given back.
  void rest(std::uint32_t address);

  [[nodiscard]] std::size_t held() const { return held_.size(); }
  [[nodiscard]] std::uint32_t gateway() const { return range_.base + 1; }
  [[nodiscard]] const AddressRange& range() const { return range_; }

 private:
  [[nodiscard]] bool usable(std::uint32_t address) const {
    return address >= first_ && address <= last_;
  }

  AddressRange range_;
  std::uint32_t first_;
  std::uint32_t last_;
  std::uint32_t next_;        // from here on none was given out
  std::uint32_t second_;      // the second lap: those before what records named at the beginning
  std::uint32_t second_end_;  // exclusive
  std::set<std::uint32_t> held_;
  std::set<std::uint32_t> resting_;
  std::deque<std::uint32_t> order_;  // of resting_, the oldest first
};

}  // namespace berth::control
