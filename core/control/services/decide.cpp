// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/decide.hpp"

#include <algorithm>

namespace berth::control {
namespace {

int sum(const Tally& staying, const Tally& draining) {
  return staying.total() + draining.total();
}

// Moves up to `wanted` from `left` to `chosen`; returns how many.
int take(int wanted, int& left, int& chosen) {
  const int taken = std::clamp(wanted, 0, std::max(0, left));
  left -= taken;
  chosen += taken;
  return taken;
}

// One decision in the making: what is left of the picture once what was chosen so far is gone.
class Replica {
 public:
  explicit Replica(const ReplicaPicture& picture)
      : picture_(picture), primary_(picture.primary), old_(picture.old) {
    decision_.old.resize(old_.size());
    healthy_ = primary_.staying.healthy + primary_.draining.healthy;
    total_ = sum(primary_.staying, primary_.draining);
    for (const Team& team : old_) {
      healthy_ += team.staying.healthy + team.draining.healthy;
      total_ += sum(team.staying, team.draining);
    }
  }

  ReplicaDecision run() {
    if (!picture_.failed) {
      start();
      shrink();
      for (std::size_t i = 0; i < old_.size(); ++i) retire(old_[i], decision_.old[i]);
    }
    drain(primary_, decision_.primary);
    for (std::size_t i = 0; i < old_.size(); ++i) drain(old_[i], decision_.old[i]);
    if (picture_.failed) {
      shed();
    } else {
      replace_unhealthy();
    }
    decision_.stuck = is_stuck();
    return decision_;
  }

 private:
  // ---- Bounds
  [[nodiscard]] int spare() const { return healthy_ - picture_.bounds.lower; }
  void take_healthy(int wanted, int& left, int& chosen) {
    healthy_ -= take(std::min(wanted, spare()), left, chosen);
  }

  // What would be there if nothing more was done.
  [[nodiscard]] int serving() const {
    const Tally& staying = primary_.staying;
    return staying.pending + staying.starting + staying.healthy;
  }

  // Only the PRIMARY deployment gains tasks.
  void start() {
    missing_ = std::max(0, picture_.desired - serving());
    if (!picture_.may_start) return;
    const int room = picture_.bounds.upper - total_;
    decision_.start = std::clamp(missing_, 0, std::max(0, room));
    held_back_ = missing_ == 0 ? 0 : std::max(0, missing_ - room);
  }

  [[nodiscard]] Tally free_of_protection(const Team& team) const {
    if (picture_.deleting) return team.staying;
    return {team.staying.pending - team.protected_tasks.pending,
            team.staying.starting - team.protected_tasks.starting,
            team.staying.healthy - team.protected_tasks.healthy,
            team.staying.unhealthy - team.protected_tasks.unhealthy};
  }

  // Scale-in: what serves least goes first. A mover is one too many until it is healthy; then
  // another goes.
  void shrink() {
    int excess = serving() - picture_.desired - primary_.movers;
    if (excess <= 0) return;
    Tally free = free_of_protection(primary_);
    const Tally before = free;
    Tally& chosen = decision_.primary.staying;
    excess -= take(excess, free.pending, chosen.pending);
    excess -= take(excess, free.starting, chosen.starting);
    const int rest = excess;
    take_healthy(excess, free.healthy, chosen.healthy);
    excess -= before.healthy - free.healthy;
    primary_.staying.pending -= chosen.pending;
    primary_.staying.starting -= chosen.starting;
    primary_.staying.healthy -= chosen.healthy;
    decision_.blocked_by_protection = excess > 0 && rest > before.healthy;
  }

  // A deployment that is no more PRIMARY. What is RUNNING and not yet healthy stays while the
  // service has too few healthy ones, unless it stands in the way of the new.
  void retire(Team& team, Stops& stops) {
    Tally free = free_of_protection(team);
    take(free.pending, free.pending, stops.staying.pending);
    take(free.unhealthy, free.unhealthy, stops.staying.unhealthy);
    const int starting =
        take(spare() >= 0 ? free.starting : held_back_, free.starting, stops.staying.starting);
    held_back_ -= std::min(held_back_, starting);
    take_healthy(free.healthy, free.healthy, stops.staying.healthy);
  }

  // Protection does not cover draining.
  void drain(const Team& team, Stops& stops) {
    Tally left = team.draining;
    take(left.pending, left.pending, stops.draining.pending);
    take(left.unhealthy, left.unhealthy, stops.draining.unhealthy);
    const int starting =
        take(spare() >= 0 ? left.starting : held_back_, left.starting, stops.draining.starting);
    held_back_ -= std::min(held_back_, starting);
    take_healthy(left.healthy, left.healthy, stops.draining.healthy);
  }

  // A replacement comes first where the upper bound allows it; else the unhealthy one makes room.
  void replace_unhealthy() {
    int left = primary_.staying.unhealthy;
    const int replaced = std::max(0, healthy_ + left - picture_.desired);
    take(replaced + held_back_, left, decision_.primary.staying.unhealthy);
  }

  // After a deployment that failed for good: nothing is started, and stopped is only what exceeds
  // the upper bound, once the draining ones that leave are gone.
  void shed() {
    int over = total_ - decision_.stops() - picture_.bounds.upper;
    const auto from = [&](const Team& team, Tally& chosen) {
      Tally free = free_of_protection(team);
      over -= take(over, free.pending, chosen.pending);
      over -= take(over, free.unhealthy, chosen.unhealthy);
      over -= take(over, free.starting, chosen.starting);
      const int before = free.healthy;
      take_healthy(over, free.healthy, chosen.healthy);
      over -= before - free.healthy;
    };
    from(primary_, decision_.primary.staying);
    for (std::size_t i = 0; i < old_.size(); ++i) from(old_[i], decision_.old[i].staying);
  }

  [[nodiscard]] bool is_stuck() const {
    if (picture_.failed || !picture_.may_start || decision_.start > 0 || decision_.stops() > 0) {
      return false;
    }
    bool moving =
        primary_.stopping > 0 || primary_.staying.pending > 0 || primary_.staying.starting > 0;
    int leaving = primary_.draining.total();
    for (const Team& team : old_) {
      moving = moving || team.stopping > 0 || team.staying.starting > 0;
      leaving += sum(team.staying, team.draining);
    }
    return !moving && missing_ > 0 && (leaving > 0 || primary_.staying.unhealthy > 0);
  }

  const ReplicaPicture& picture_;
  Team primary_;
  std::vector<Team> old_;
  int healthy_ = 0;    // of all deployments, without what was chosen to stop
  int total_ = 0;      // as in the picture
  int missing_ = 0;    // tasks that the PRIMARY deployment lacks
  int held_back_ = 0;  // tasks that must go before all of these can be started
  ReplicaDecision decision_;
};

}  // namespace

int ReplicaDecision::stops() const {
  int all = primary.total();
  for (const Stops& one : old) all += one.total();
  return all;
}

ReplicaDecision decide(const ReplicaPicture& picture) {
  return Replica(picture).run();
}

DaemonDecision decide(const DaemonPicture& picture) {
  DaemonDecision decision;
  decision.stop_surplus = picture.surplus;
  if (picture.failed) return decision;
  if (picture.may_start) decision.start = picture.vacant;
  const int lower = bounds_of(picture.eligible, picture.percentages).lower;
  decision.stop_outdated_unready = picture.outdated_unready;
  decision.stop_outdated_healthy = std::clamp(picture.healthy - lower, 0, picture.outdated_healthy);
  decision.stop_unhealthy = picture.unhealthy;
  return decision;
}

}  // namespace berth::control
