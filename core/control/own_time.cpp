// SPDX-License-Identifier: Apache-2.0
#include "core/control/own_time.hpp"

#include <algorithm>
#include <optional>

namespace berth::control {
namespace {

class Newest {
 public:
  void see(Instant at) { newest_ = std::max(newest_, at); }
  void see(const std::optional<Instant>& at) {
    if (at) see(*at);
  }
  void see(const ecs::Timestamp& at) { see(Instant(milliseconds(at.ms()))); }
  [[nodiscard]] Instant get() const { return newest_; }

 private:
  Instant newest_{};
};

}  // namespace

Instant newest_own_time(const State& state) {
  Newest newest;
  for (const auto& [name, family] : state.families()) {
    for (const auto& [revision, definition] : family.revisions) {
      newest.see(definition->message.registered_at());
      newest.see(definition->message.deregistered_at());
    }
  }
  for (const auto& [id, task] : state.tasks()) {
    newest.see(task->launch->created_at);
    newest.see(task->end_recorded_at);
  }
  for (const auto& [id, instance] : state.instances()) newest.see(instance->inactive_since);
  for (const auto& [key, token] : state.tokens()) newest.see(token->made_at);
  for (const auto& [id, service] : state.services()) {
    newest.see(service->data.created_at());
    newest.see(service->data.inactive_since());
    for (const auto& event : service->data.events()) newest.see(event.created_at());
    for (const auto& [number, deployment] : state.deployments_of(id)) {
      newest.see(deployment->data.updated_at());
    }
  }
  return newest.get();
}

}  // namespace berth::control
