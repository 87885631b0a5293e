// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/events.hpp"

#include <algorithm>

namespace berth::control {
namespace {

constexpr milliseconds kSilence = std::chrono::hours(6);
constexpr std::size_t kMaxNamed = 20;  // tasks in one event

std::string named(const std::vector<TaskId>& tasks) {
  std::string text;
  for (std::size_t i = 0; i < tasks.size() && i < kMaxNamed; ++i) {
    text += " (task " + tasks[i].str() + ")";
  }
  if (tasks.size() > kMaxNamed) text += " ...";
  return text;
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

// What ECS says of the instance that lacks least.
std::string lack(const RefusalCount& refusal) {
  if (refusal.reason == "RESOURCE:CPU") return "has insufficient CPU units available";
  if (refusal.reason == "RESOURCE:MEMORY") return "has insufficient memory available";
  if (refusal.reason == "RESOURCE:PORTS") return "is already using a port required by your task";
  if (refusal.reason == "RESOURCE:ENI") return "has no free network interface";
  if (refusal.reason == "RESOURCE:GPU") return "has insufficient GPU resource available";
  if (refusal.reason == "ATTRIBUTE") return "is missing an attribute required by your task";
  if (refusal.reason == "AGENT") return "encountered error \"AGENT\"";
  return "refuses it: " + refusal.reason;
}

}  // namespace

bool add_event(model::StoredService& service, const EventStamp& stamp, const std::string& text,
               Repeat repeat) {
  const std::string message = "(service " + service.name() + ") " + text;
  auto& events = *service.mutable_events();
  if (repeat == Repeat::Once) {
    const auto said = [&](const model::ServiceEvent& event) {
      return event.message() == message &&
             stamp.at - Instant(milliseconds(event.created_at().ms())) < kSilence;
    };
    if (std::any_of(events.begin(), events.end(), said)) return false;
  }
  if (events.size() >= kMaxEvents) events.DeleteSubrange(0, events.size() - kMaxEvents + 1);
  model::ServiceEvent& event = *events.Add();
  event.set_id(stamp.id);
  event.mutable_created_at()->set_ms(stamp.at.time_since_epoch().count());
  event.set_message(message);
  return true;
}

std::string deployment_name(const DeploymentNumber& number) {
  return "ecs-svc/" + number.str();
}

namespace event_text {

std::string started(const std::vector<TaskId>& tasks) {
  return "has started " + counted(tasks.size(), "task") + ":" + named(tasks) + ".";
}

std::string stopped(const std::vector<TaskId>& tasks) {
  return "has stopped " + counted(tasks.size(), "running task") + ":" + named(tasks) + ".";
}

std::string steady() {
  return "has reached a steady state.";
}

std::string completed(const DeploymentNumber& number) {
  return "(deployment " + deployment_name(number) + ") deployment completed.";
}

std::string failed(const DeploymentNumber& number) {
  return "(deployment " + deployment_name(number) + ") deployment failed: tasks failed to start.";
}

std::string rolling_back(const DeploymentNumber& to) {
  return "rolling back to deployment " + deployment_name(to) + ".";
}

std::string unplaced(const std::vector<RefusalCount>& refusals) {
  std::string text =
      "was unable to place a task because no container instance met all of its requirements.";
  if (refusals.empty()) {
    return text + " Reason: No Container Instances were found in your cluster.";
  }
  const RefusalCount& most = refusals.front();
  if (most.closest_arn.empty()) {
    return "was unable to place a task. Reason: Capacity is unavailable at this time. Please try "
           "again later or in a different availability zone.";
  }
  const std::size_t slash = most.closest_arn.rfind('/');
  return text + " The closest matching (container-instance " + most.closest_arn.substr(slash + 1) +
         ") " + lack(most) + ".";
}

std::string cannot_run(const std::string& reason) {
  return "was unable to place a task. Reason: " + reason;
}

std::string cannot_start_consistently() {
  return "is unable to consistently start tasks successfully.";
}

std::string stuck() {
  return "was unable to stop or start tasks during a deployment because of the service deployment "
         "configuration. Update the minimumHealthyPercent or maximumPercent value and try again.";
}

std::string too_many_protected(const DeploymentNumber& number) {
  return "was unable to reach steady state because task set (" + deployment_name(number) +
         ") was unable to scale in. Reason: The number of protected tasks are more than the "
         "desired count of tasks.";
}

namespace {

std::string by_zone(const InZones& zones) {
  std::string text;
  for (const auto& [zone, tasks] : zones) {
    text += (text.empty() ? "" : ", ") + counted(static_cast<std::size_t>(tasks), "task") + " in " +
            zone;
  }
  return text;
}

}  // namespace

std::string unbalanced(const InZones& zones) {
  return "is not AZ balanced with " + by_zone(zones) + ". AZ Rebalancing in progress.";
}

std::string balanced(const InZones& zones) {
  return "is AZ balanced with " + by_zone(zones) + ".";
}

std::string moved_to(const std::string& zone, const std::vector<TaskId>& tasks) {
  return "has started " + counted(tasks.size(), "task") + " in " + zone +
         " to AZ Rebalance:" + named(tasks) + ".";
}

}  // namespace event_text

}  // namespace berth::control
