// SPDX-License-Identifier: Apache-2.0
#include "berth/v1/launch.pb.h"
#include "sdk/check/active.hpp"
#include "sdk/check/rules.hpp"
#include "sdk/check/subject.hpp"

namespace berth::check {

Outcome launch_plan(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  if (!plugin.methods.contains(v1::METHOD_LAUNCH_PLAN)) return skipped("no berth.launch/1");
  const v1::PlanRequest request = plain_task();
  const auto first = plugin.instance->call(v1::METHOD_LAUNCH_PLAN, request.SerializeAsString());
  if (!first) return failed(first.error().message);
  if (first->status != BERTH_OK) {
    return failed("plan of a plain task ends with " + name_of_status(first->status) +
                  "; what cannot be run is a refusal within the answer");
  }
  const auto second = plugin.instance->call(v1::METHOD_LAUNCH_PLAN, request.SerializeAsString());
  if (!second) return failed(second.error().message);
  if (first->payload != second->payload) return failed("the same request has two answers");
  v1::PlanResponse plan;
  if (!plan.ParseFromString(first->payload)) return failed("the answer is no PlanResponse");
  for (const v1::Refusal& refusal : plan.refusals()) {
    if (refusal.message().empty() || refusal.member().empty() ||
        refusal.error() == v1::Refusal::ERROR_UNSPECIFIED) {
      return failed("a refusal lacks member, message or error");
    }
  }
  return plugin.end();
}

Outcome launch_unknown_task(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  if (!plugin.methods.contains(v1::METHOD_LAUNCH_STOP)) return skipped("no berth.launch/1");
  const std::string id(32, 'c');
  v1::StopTaskRequest stop;
  stop.set_task_id(id);
  for (int i = 0; i < 2; ++i) {  // idempotent: the second answer is the first one's
    const auto end = plugin.instance->call(v1::METHOD_LAUNCH_STOP, stop.SerializeAsString());
    if (!end) return failed(end.error().message);
    if (end->status != BERTH_NOT_FOUND && end->status != BERTH_UNAVAILABLE) {
      return failed("stop of a task that was never started ends with " +
                    name_of_status(end->status) + ", not NOT_FOUND");
    }
  }
  v1::ForgetTasksRequest forget;
  forget.add_task_ids(id);
  const auto forgotten =
      plugin.instance->call(v1::METHOD_LAUNCH_FORGET, forget.SerializeAsString());
  if (!forgotten) return failed(forgotten.error().message);
  if (forgotten->status != BERTH_OK) {
    return failed("forget of an unknown task ends with " + name_of_status(forgotten->status));
  }
  v1::RecoverRequest recover;
  recover.add_tasks()->set_task_id(id);
  const auto answer = plugin.instance->call(v1::METHOD_LAUNCH_RECOVER, recover.SerializeAsString());
  if (!answer) return failed(answer.error().message);
  v1::RecoverResponse recovered;
  if (answer->status != BERTH_OK || !recovered.ParseFromString(answer->payload)) {
    return failed("recover ends with " + name_of_status(answer->status));
  }
  if (recovered.known_size() > 0) return failed("recover knows a task that was never started");
  if (recovered.unknown_size() + recovered.unreachable_size() != 1) {
    return failed("recover answers neither unknown nor unreachable for a task that it was asked");
  }
  return plugin.end();
}

Outcome launch_inventory(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  if (!plugin.methods.contains(v1::METHOD_LAUNCH_LIST_OWNED)) return skipped("no berth.launch/1");
  const auto snapshots = [](const Host& host) {
    std::vector<v1::InventorySnapshot> found;
    for (const Event& event : host.events()) {
      if (event.id == v1::EVENT_LAUNCH_INVENTORY) {
        v1::InventorySnapshot& snapshot = found.emplace_back();
        if (!snapshot.ParseFromString(event.payload)) snapshot.set_generation(0);
      }
    }
    return found;
  };
  const auto owned = plugin.instance->call(v1::METHOD_LAUNCH_LIST_OWNED, {});
  if (!owned) return failed(owned.error().message);
  const bool came =
      plugin.host.wait(kPatience, [&](const Host& host) { return !snapshots(host).empty(); });
  if (!came) {
    return failed(
        "no inventory after activate and list-owned; a plugin without nodes sends an empty one");
  }
  const auto again = plugin.instance->call(v1::METHOD_LAUNCH_LIST_OWNED, {});
  if (!again) return failed(again.error().message);
  std::uint64_t last = 0;
  bool more = false;
  for (const v1::InventorySnapshot& snapshot : snapshots(plugin.host)) {
    if (snapshot.generation() < last + (more ? 0 : 1)) {
      return failed("an inventory of generation " + std::to_string(snapshot.generation()) +
                    " follows " + std::to_string(last));
    }
    last = snapshot.generation();
    more = snapshot.more();
  }
  return plugin.end();
}

}  // namespace berth::check
