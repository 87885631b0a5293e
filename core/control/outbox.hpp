// SPDX-License-Identifier: Apache-2.0
// What the core does to the outside, held back until its cause is durable.
//
// Invariants: 1. An effect runs after every change that was recorded before it is durable. 2.
// Effects run in the order in which they were given. 3. After a failure of the store no effect runs
// any more. Threads: loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/store/store.hpp"

namespace berth::control {

class Outbox {
 public:
  struct Options {
    store::Store& store;
    std::function<void(std::function<void()>)> post;
    std::function<void(Error)> halt;
  };
  explicit Outbox(Options options);

  void begin(store::Epoch epoch) { epoch_ = epoch; }

  void record(store::Change change) { batch_.push_back(std::move(change)); }
  void after(std::function<void()> effect) { effects_.push_back(std::move(effect)); }

  // Hands over what has gathered, as one batch. Effects without anything to wait for run now.
  void flush();

  [[nodiscard]] bool halted() const { return halted_; }
  [[nodiscard]] bool idle() const { return waiting_.empty() && batch_.empty() && effects_.empty(); }

 private:
  struct Group {
    std::vector<std::function<void()>> effects;
  };
  void durable(const Result<store::Sequence>& result);
  void run(std::vector<std::function<void()>> effects);

  Options options_;
  store::Epoch epoch_ = 0;
  store::Batch batch_;
  std::vector<std::function<void()>> effects_;
  std::deque<Group> waiting_;  // one for each batch under way, oldest first
  bool halted_ = false;
  std::shared_ptr<bool> alive_ =
      std::make_shared<bool>(true);  // completions may come after our end
};

}  // namespace berth::control
