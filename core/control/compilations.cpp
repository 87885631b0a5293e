// SPDX-License-Identifier: Apache-2.0
#include "core/control/compilations.hpp"

namespace berth::control {

Result<placement::RequestId> Compilations::get(const Demand& demand, placement::Engine& engine,
                                               Instant now) {
  std::string key = key_of(demand);
  if (const auto known = kept_.find(key); known != kept_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    by_use_.front().used = now;
    return by_use_.front().request;
  }
  auto request = request_of(demand, rules_);
  if (!request) return tl::unexpected(request.error());
  auto compiled = engine.compile(*request);
  if (!compiled) return tl::unexpected(refused_request(compiled.error()));
  ++made_;
  by_use_.push_front({key, &engine, *compiled, now});
  kept_.emplace(std::move(key), by_use_.begin());
  while (kept_.size() > most_ && kept_.size() > 1) drop_oldest();
  return *compiled;
}

void Compilations::drop_idle(Instant until) {
  while (!by_use_.empty() && by_use_.back().used <= until) drop_oldest();
}

std::optional<Instant> Compilations::oldest_use() const {
  if (by_use_.empty()) return std::nullopt;
  return by_use_.back().used;
}

void Compilations::drop_oldest() {
  const Entry& oldest = by_use_.back();
  oldest.engine->drop(oldest.request);
  kept_.erase(oldest.key);
  by_use_.pop_back();
}

}  // namespace berth::control
