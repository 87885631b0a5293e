// SPDX-License-Identifier: Apache-2.0
#include "core/api/record_counts.hpp"

namespace berth::api {

void RecordCounts::ask(Told told) {
  std::shared_ptr<const Families> known;
  {
    const std::lock_guard lock(mutex_);
    if (last_ && now_() < good_until_) {
      known = last_;
    } else {
      waiting_.push_back(std::move(told));
      if (waiting_.size() > 1) return;
    }
  }
  if (known) return told(known);
  count();
}

void RecordCounts::count() {
  control_.query([this](const control::State& state) -> std::function<void()> {
    constexpr int kShare = 20;
    const auto begun = now_();
    auto counted = std::make_shared<const Families>(metrics_of(state));
    const auto cost = now_() - begun;
    {
      const std::lock_guard lock(mutex_);
      good_until_ = begun + kShare * cost;
    }
    return [this, counted = std::move(counted)] { tell(counted); };
  });
}

void RecordCounts::tell(std::shared_ptr<const Families> counted) {
  std::vector<Told> waiting;
  {
    const std::lock_guard lock(mutex_);
    last_ = counted;
    waiting.swap(waiting_);
  }
  for (const Told& told : waiting) told(counted);
}

}  // namespace berth::api
