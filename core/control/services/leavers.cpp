// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/leavers.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace berth::control {
namespace {

constexpr std::array kStandings = {Standing::Starting, Standing::Healthy};

std::size_t slot_of(Standing standing) {
  return standing == Standing::Starting ? 0 : 1;
}

std::uint64_t from_hex(std::string_view digits) {
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

// In the order of their making; an id's 32 hex digits are as good as the number that they are.
placement::Leaver leaver_of(const TaskId& id, const Member& member) {
  const std::string_view digits = id.str();
  return {member.reservation,
          {.at = member.created_at.time_since_epoch().count(),
           .high = from_hex(digits.substr(0, 16)),
           .low = from_hex(digits.substr(std::min<std::size_t>(16, digits.size())))}};
}

TaskId task_of(const placement::LeaverRank& rank) {
  std::array<char, 33> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx%016llx",
                static_cast<unsigned long long>(rank.high),
                static_cast<unsigned long long>(rank.low));
  return TaskId(digits.data());
}

}  // namespace

Leavers::Leavers(Placer& placer, Of of, const Roster& roster)
    : placer_(placer),
      of_(std::move(of)),
      ids_{placer_.make_leavers(of_.cluster), placer_.make_leavers(of_.cluster)} {
  for (const Standing standing : kStandings) {
    for (const TaskId& id :
         roster.pick({of_.deployment, standing, false}, {.count = roster.size()})) {
      moved(id, nullptr, roster.find(id));
    }
  }
}

Leavers::~Leavers() {
  for (const placement::LeaversId id : ids_) placer_.drop_leavers(of_.cluster, id);
}

bool Leavers::has(const Member* member) const {
  return member != nullptr && member->deployment == of_.deployment && !member->draining &&
         !member->guarded && member->reservation != placement::ReservationId::None &&
         (member->standing == Standing::Starting || member->standing == Standing::Healthy);
}

void Leavers::moved(const TaskId& id, const Member* before, const Member* after) {
  const bool was = has(before);
  const bool is = has(after);
  if (was && is && before->standing == after->standing &&
      before->reservation == after->reservation) {
    return;
  }
  if (was) {
    placer_.remove_leaver(of_.cluster, ids_[slot_of(before->standing)], leaver_of(id, *before));
  }
  if (is) placer_.add_leaver(of_.cluster, ids_[slot_of(after->standing)], leaver_of(id, *after));
}

Result<std::vector<TaskId>> Leavers::choose(const Demand& demand, Standing standing,
                                            placement::LeaversQuestion question) {
  const auto chosen = placer_.choose_to_stop(demand, ids_[slot_of(standing)], question);
  if (!chosen) return tl::unexpected(chosen.error());
  std::vector<TaskId> tasks;
  for (const placement::Leaver& one : *chosen) tasks.push_back(task_of(one.rank));
  return tasks;
}

}  // namespace berth::control
