// SPDX-License-Identifier: Apache-2.0
#include "core/control/addresses.hpp"

#include <algorithm>

namespace berth::control {

Addresses::Addresses(AddressRange range)
    : range_(range),
      first_(range.base + kKeptBack),
      last_(range.last() - 1),
      next_(first_),
      second_(first_),
      second_end_(first_) {}

std::optional<std::uint32_t> Addresses::take() {
  if (next_ <= last_) {
    held_.insert(next_);
    return next_++;
  }
  while (second_ < second_end_) {
    const std::uint32_t address = second_++;
    if (resting_.count(address) == 0 && held_.insert(address).second) return address;
  }
  if (order_.empty()) return std::nullopt;
  const std::uint32_t address = order_.front();
  order_.pop_front();
  resting_.erase(address);
  held_.insert(address);
  return address;
}

bool Addresses::take(std::uint32_t address) {
  if (!usable(address) || !held_.insert(address).second) return false;
  if (resting_.erase(address) > 0) std::erase(order_, address);
  if (address >= next_) {
    second_end_ = address;
    next_ = address + 1;
  }
  return true;
}

void Addresses::give_back(std::uint32_t address) {
  if (held_.erase(address) == 0) return;
  resting_.insert(address);
  order_.push_back(address);
}

void Addresses::rest(std::uint32_t address) {
  if (resting_.count(address) == 0 && take(address)) give_back(address);
}

}  // namespace berth::control
