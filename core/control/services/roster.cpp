// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/roster.hpp"

namespace berth::control {
namespace {

std::size_t index_of(Standing standing) {
  return static_cast<std::size_t>(standing);
}

}  // namespace

bool Roster::put(const TaskId& id, const Member& member) {
  const auto [at, first] = members_.try_emplace(id, member);
  if (!first) {
    if (at->second == member) return false;
    count(id, at->second, -1);
    at->second = member;
  }
  count(id, member, +1);
  return true;
}

bool Roster::drop(const TaskId& id) {
  const auto at = members_.find(id);
  if (at == members_.end()) return false;
  count(id, at->second, -1);
  members_.erase(at);
  return true;
}

const Member* Roster::find(const TaskId& id) const {
  const auto at = members_.find(id);
  return at == members_.end() ? nullptr : &at->second;
}

void Roster::count(const TaskId& id, const Member& member, int sign) {
  Squad& squad = squads_[member.deployment];
  const std::size_t standing = index_of(member.standing);
  const std::size_t side = member.draining ? 1 : 0;
  Group& group = squad.groups[standing][side];
  if (sign > 0) {
    group.emplace(member.created_at, id);
    on_[member.node].insert(id);
    ++squad.size;
  } else {
    group.erase({member.created_at, id});
    const auto node = on_.find(member.node);
    node->second.erase(id);
    if (node->second.empty()) on_.erase(node);
    --squad.size;
  }
  if (member.guarded && member.standing != Standing::Stopping) guarded_ += sign;
  if (member.guarded) squad.guarded[standing][side] += sign;
  if (member.standing != Standing::Stopping) {
    const auto provider = squad.providers.try_emplace(member.provider, 0).first;
    provider->second += sign;
    if (provider->second == 0) squad.providers.erase(provider);
  }
  count_zone(squad, member, sign);
  if (squad.size == 0) squads_.erase(member.deployment);
}

void Roster::count_zone(Squad& squad, const Member& member, int sign) {
  if (member.draining || member.standing == Standing::Stopping) return;
  const bool healthy = member.standing == Standing::Healthy;
  if (member.mover &&
      (member.standing == Standing::Pending || member.standing == Standing::Starting)) {
    squad.movers += sign;
  }
  if (member.zone.empty()) return;
  InZone& zone = squad.zones[member.zone];
  zone.tasks += sign;
  if (healthy && !member.guarded) zone.movable += sign;
  if (zone.tasks == 0) squad.zones.erase(member.zone);
}

const std::map<std::string, Roster::InZone>& Roster::by_zone(
    const DeploymentNumber& deployment) const {
  static const std::map<std::string, InZone> kNone;
  const auto at = squads_.find(deployment);
  return at == squads_.end() ? kNone : at->second.zones;
}

const std::map<std::string, int>& Roster::by_provider(const DeploymentNumber& deployment) const {
  static const std::map<std::string, int> kNone;
  const auto at = squads_.find(deployment);
  return at == squads_.end() ? kNone : at->second.providers;
}

Team Roster::team(const DeploymentNumber& deployment) const {
  Team team;
  const auto at = squads_.find(deployment);
  if (at == squads_.end()) return team;
  const Squad& squad = at->second;
  const auto size = [&](Standing standing, std::size_t side) {
    return static_cast<int>(squad.groups[index_of(standing)][side].size());
  };
  const auto tally = [&](std::size_t side) {
    return Tally{size(Standing::Pending, side), size(Standing::Starting, side),
                 size(Standing::Healthy, side), size(Standing::Unhealthy, side)};
  };
  const auto guarded = [&](Standing standing) { return squad.guarded[index_of(standing)][0]; };
  team.staying = tally(0);
  team.draining = tally(1);
  team.protected_tasks = {guarded(Standing::Pending), guarded(Standing::Starting),
                          guarded(Standing::Healthy), guarded(Standing::Unhealthy)};
  team.movers = squad.movers;
  team.stopping = size(Standing::Stopping, 0) + size(Standing::Stopping, 1);
  return team;
}

std::vector<DeploymentNumber> Roster::deployments() const {
  std::vector<DeploymentNumber> all;
  all.reserve(squads_.size());
  for (const auto& [number, squad] : squads_) all.push_back(number);
  return all;
}

const std::set<TaskId>& Roster::on(const NodeId& node) const {
  static const std::set<TaskId> kNone;
  const auto at = on_.find(node);
  return at == on_.end() ? kNone : at->second;
}

std::vector<TaskId> Roster::pick(const Kind& kind, Choice choice) const {
  std::vector<TaskId> picked;
  const auto squad = squads_.find(kind.deployment);
  if (squad == squads_.end() || choice.count == 0) return picked;
  const Group& group = squad->second.groups[index_of(kind.standing)][kind.draining ? 1 : 0];
  const auto consider = [&](const TaskId& id) {
    if (choice.guarded_too || !members_.at(id).guarded) picked.push_back(id);
    return picked.size() < choice.count;
  };
  if (choice.newest_first) {
    for (auto at = group.rbegin(); at != group.rend() && consider(at->second);) ++at;
  } else {
    for (auto at = group.begin(); at != group.end() && consider(at->second);) ++at;
  }
  return picked;
}

}  // namespace berth::control
