// SPDX-License-Identifier: Apache-2.0
// What a service has to say: its last 100 events, in ECS's words.
//
// Threads: any.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/control/commands.hpp"
#include "core/model/records.hpp"

namespace berth::control {

inline constexpr int kMaxEvents = 100;

struct EventStamp {
  std::string id;  // UUID
  Instant at;
};
// Adds "(service NAME) TEXT". What was said within the last six hours in the same words is not said
// again where `once` asks for it.
enum class Repeat { Always, Once };
// True where the event was added.
bool add_event(model::StoredService& service, const EventStamp& stamp, const std::string& text,
               Repeat repeat = Repeat::Always);

// "ecs-svc/NUMBER"
[[nodiscard]] std::string deployment_name(const DeploymentNumber& number);

namespace event_text {
[[nodiscard]] std::string started(const std::vector<TaskId>& tasks);
[[nodiscard]] std::string stopped(const std::vector<TaskId>& tasks);
[[nodiscard]] std::string steady();
[[nodiscard]] std::string completed(const DeploymentNumber& number);
[[nodiscard]] std::string failed(const DeploymentNumber& number);
[[nodiscard]] std::string rolling_back(const DeploymentNumber& to);
// Why a task found no place; `refusals` empty: there are no instances.
[[nodiscard]] std::string unplaced(const std::vector<RefusalCount>& refusals);
[[nodiscard]] std::string cannot_run(const std::string& reason);
[[nodiscard]] std::string cannot_start_consistently();
[[nodiscard]] std::string stuck();
[[nodiscard]] std::string too_many_protected(const DeploymentNumber& number);
// Tasks by zone.
using InZones = std::map<std::string, int>;
[[nodiscard]] std::string unbalanced(const InZones& zones);
[[nodiscard]] std::string balanced(const InZones& zones);
[[nodiscard]] std::string moved_to(const std::string& zone, const std::vector<TaskId>& tasks);
}  // namespace event_text

}  // namespace berth::control
