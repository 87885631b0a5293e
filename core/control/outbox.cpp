// SPDX-License-Identifier: Apache-2.0
#include "core/control/outbox.hpp"

#include <iterator>
#include <utility>

namespace berth::control {

Outbox::Outbox(Options options) : options_(std::move(options)) {}

void Outbox::flush() {
  if (halted_) {
    batch_.clear();
    effects_.clear();
    return;
  }
  if (batch_.empty()) {
    if (effects_.empty()) return;
    if (waiting_.empty()) return run(std::exchange(effects_, {}));
    // They may have seen changes that are still under way, and must not overtake other effects.
    auto& last = waiting_.back().effects;
    std::move(effects_.begin(), effects_.end(), std::back_inserter(last));
    effects_.clear();
    return;
  }
  waiting_.push_back({std::exchange(effects_, {})});
  options_.store.append(epoch_, std::exchange(batch_, {}),
                        [this, post = options_.post,
                         alive = std::weak_ptr<bool>(alive_)](Result<store::Sequence> result) {
                          post([this, alive, result = std::move(result)] {
                            if (alive.lock()) durable(result);
                          });
                        });
}

void Outbox::durable(const Result<store::Sequence>& result) {
  if (halted_) return;
  if (!result) {
    halted_ = true;
    waiting_.clear();
    options_.halt(result.error());
    return;
  }
  auto effects = std::move(waiting_.front().effects);
  waiting_.pop_front();
  run(std::move(effects));
}

void Outbox::run(std::vector<std::function<void()>> effects) {
  for (auto& effect : effects) effect();
}

}  // namespace berth::control
