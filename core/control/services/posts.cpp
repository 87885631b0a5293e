// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/posts.hpp"

namespace berth::control {
namespace {

void drop_node(Posts::Tasks& tasks, const NodeId& node) {
  auto at = tasks.lower_bound({node, TaskId()});
  while (at != tasks.end() && at->first == node) at = tasks.erase(at);
}

}  // namespace

void Posts::forget(const NodeId& node) {
  eligible_.erase(node);
  vacant_.erase(node);
  for (Tasks* tasks :
       {&current_healthy_, &outdated_healthy_, &outdated_unready_, &unhealthy_, &surplus_}) {
    drop_node(*tasks, node);
  }
}

void Posts::clear() {
  *this = Posts();
}

void Posts::look(const NodeId& node, Wanted wanted, const Roster& roster,
                 const DeploymentNumber& primary) {
  forget(node);
  if (wanted == Wanted::Last) return;
  const bool eligible = wanted == Wanted::Yes;
  const std::set<TaskId>& tasks = roster.on(node);
  if (eligible) {
    eligible_.insert(node);
    if (tasks.empty()) vacant_.insert(node);
  }
  bool occupied = false;
  for (const TaskId& id : tasks) {
    const Member& member = *roster.find(id);
    if (member.standing == Standing::Stopping) continue;
    if (!eligible || occupied) {
      surplus_.emplace(node, id);
      continue;
    }
    occupied = true;
    const bool healthy = member.standing == Standing::Healthy;
    if (member.deployment != primary) {
      (healthy ? outdated_healthy_ : outdated_unready_).emplace(node, id);
    } else if (healthy) {
      current_healthy_.emplace(node, id);
    } else if (member.standing == Standing::Unhealthy) {
      unhealthy_.emplace(node, id);
    }
  }
}

void Posts::describe(DaemonPicture& picture) const {
  const auto size = [](const auto& set) { return static_cast<int>(set.size()); };
  picture.eligible = size(eligible_);
  picture.healthy = size(current_healthy_) + size(outdated_healthy_);
  picture.vacant = size(vacant_);
  picture.outdated_healthy = size(outdated_healthy_);
  picture.outdated_unready = size(outdated_unready_);
  picture.unhealthy = size(unhealthy_);
  picture.surplus = size(surplus_);
}

bool Posts::steady() const {
  return current_healthy_.size() == eligible_.size() && outdated_healthy_.empty() &&
         outdated_unready_.empty() && surplus_.empty();
}

}  // namespace berth::control
