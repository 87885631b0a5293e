// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fit_steps.hpp"

#include <algorithm>
#include <iterator>

namespace berth::placement {

void FitSteps::came(std::int32_t cpu) {
  const std::int16_t code = code_of(cpu);
  if (++asked_[code] > 1) return;
  const auto end = codes_.begin() + count_;
  if (std::find(codes_.begin(), end, code) != end) return;
  if (count_ < kMost) {
    insert(code);
  } else if (code < codes_[0]) {
    codes_[0] = code;
    ++version_;
  } else if (++missed_ >= patience_) {
    choose();
  }
}

// Its step stays until the next choice: what went often comes again.
void FitSteps::went(std::int32_t cpu) {
  const auto at = asked_.find(code_of(cpu));
  if (--at->second == 0) asked_.erase(at);
}

void FitSteps::insert(std::int16_t code) {
  codes_[count_++] = code;
  std::sort(codes_.begin(), codes_.begin() + count_);
  ++version_;
}

void FitSteps::choose() {
  codes_ = none();
  count_ = static_cast<std::uint32_t>(std::min<std::size_t>(asked_.size(), kMost));
  auto asked = asked_.begin();
  std::size_t at = 0;
  for (std::size_t step = 0; step < count_; ++step) {
    const std::size_t wanted = count_ == 1 ? 0 : step * (asked_.size() - 1) / (count_ - 1);
    std::advance(asked, wanted - at);
    at = wanted;
    codes_[step] = asked->first;
  }
  missed_ = 0;
  patience_ *= 2;
  ++version_;
}

}  // namespace berth::placement
