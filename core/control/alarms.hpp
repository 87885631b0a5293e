// SPDX-License-Identifier: Apache-2.0
// Things to do later, in the order of their time and then of their making.
//
// Threads: loop.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "core/model/instant.hpp"

namespace berth::control {

class Alarms {
 public:
  struct Id {
    Instant at;
    std::uint64_t number = 0;  // 0: none
    auto operator<=>(const Id&) const = default;
  };

  Id set(Instant at, std::function<void()> action) {
    const Id id{at, ++last_};
    pending_.emplace(id, std::move(action));
    return id;
  }
  // Of no effect on what has rung, was cancelled, or is none.
  void cancel(const Id& id) { pending_.erase(id); }

  // Runs what is due, also what that sets anew for now or earlier.
  void ring(Instant now) {
    while (!pending_.empty() && pending_.begin()->first.at <= now) {
      const auto action = std::move(pending_.begin()->second);
      pending_.erase(pending_.begin());
      action();
    }
  }
  [[nodiscard]] std::size_t size() const { return pending_.size(); }
  [[nodiscard]] std::optional<Instant> next() const {
    if (pending_.empty()) return std::nullopt;
    return pending_.begin()->first.at;
  }

 private:
  std::map<Id, std::function<void()>> pending_;
  std::uint64_t last_ = 0;
};

}  // namespace berth::control
