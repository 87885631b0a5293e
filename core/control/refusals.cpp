// SPDX-License-Identifier: Apache-2.0
#include "core/control/refusals.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

namespace berth::control {
namespace {

using placement::Reason;
using placement::Refusal;

bool is_amount(const Refusal& refusal) {
  return refusal.reason == Reason::Cpu || refusal.reason == Reason::Memory ||
         refusal.reason == Reason::Eni || refusal.reason == Reason::Amount;
}

// The engine gives what is said of the instance; a sentence needs to say of whom.
std::string sentence(const Refusal& refusal) {
  std::string text = refusal.detail();
  if (text.empty()) return text;
  if (is_amount(refusal)) {
    text = "The task " + text;
  } else if (text.starts_with("its ")) {
    text[0] = 'I';
  } else {
    text = "The container instance " + text;
  }
  return text + ".";
}

struct Group {
  int instances = 0;
  std::size_t closest = 0;  // index into the refusals
};

std::string left_out(const std::map<std::string, int>& counts) {
  int all = 0;
  std::string list;
  for (const auto& [reason, instances] : counts) {
    all += instances;
    list += (list.empty() ? "" : ", ") + std::to_string(instances) + " " + reason;
  }
  return " " + std::to_string(all) + " more container instances are not listed: " + list + ".";
}

void order(std::vector<RefusalCount>& counts) {
  std::stable_sort(counts.begin(), counts.end(),
                   [](const auto& a, const auto& b) { return a.instances > b.instances; });
}

}  // namespace

void merge(std::vector<RefusalCount>& counts, const std::vector<RefusalCount>& more) {
  for (const RefusalCount& one : more) {
    const auto at = std::find_if(counts.begin(), counts.end(),
                                 [&](const auto& known) { return known.reason == one.reason; });
    if (at == counts.end()) {
      counts.push_back(one);
      continue;
    }
    const int instances = at->instances + one.instances;
    if (one.needed - one.available < at->needed - at->available) *at = one;
    at->instances = instances;
  }
  order(counts);
}

Failure failure_of(const Refusal& refusal, std::string arn) {
  return {std::move(arn), refusal.ecs_reason(), sentence(refusal)};
}

Refusals sum_up(const placement::Engine& engine, const std::vector<Refusal>& refusals,
                const NodeArn& arn) {
  Refusals out;
  std::map<std::string, Group> groups;
  std::vector<std::string> reasons;
  reasons.reserve(refusals.size());
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    const std::string& reason = reasons.emplace_back(refusals[i].ecs_reason());
    Group& group = groups[reason];
    const Refusal& closest = refusals[group.closest];
    const bool nearer = is_amount(refusals[i]) && refusals[i].needed - refusals[i].available <
                                                      closest.needed - closest.available;
    if (group.instances++ == 0 || nearer) group.closest = i;
  }
  for (const auto& [reason, group] : groups) {
    const Refusal& closest = refusals[group.closest];
    out.counts.push_back({.reason = reason,
                          .instances = group.instances,
                          .closest_arn = arn(engine.node_id(closest.node)),
                          .detail = sentence(closest),
                          .needed = is_amount(closest) ? closest.needed : 0,
                          .available = is_amount(closest) ? closest.available : 0});
  }
  order(out.counts);

  // Every reason's closest is named, then the first of the others as far as there is room.
  std::vector<bool> named(refusals.size(), false);
  std::size_t room = kMaxNamedInstances;
  for (const auto& [reason, group] : groups) {
    if (room == 0) break;
    named[group.closest] = true;
    --room;
  }
  std::map<std::string, int> unnamed;
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    std::string name = arn(engine.node_id(refusals[i].node));
    if (name.empty()) continue;
    if (!named[i] && room == 0) {
      ++unnamed[reasons[i]];
      continue;
    }
    if (!named[i]) --room;
    out.failures.push_back(failure_of(refusals[i], std::move(name)));
  }
  if (!unnamed.empty() && !out.failures.empty()) out.failures.back().detail += left_out(unnamed);
  if (out.failures.empty() && !refusals.empty()) {
    out.failures.push_back({"", kNoRoomInPool, out.counts.front().detail});
  }
  return out;
}

}  // namespace berth::control
