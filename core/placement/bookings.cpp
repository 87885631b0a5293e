// SPDX-License-Identifier: Apache-2.0
// The tasks of the books.
#include <algorithm>
#include <utility>

#include "core/placement/books.hpp"

namespace berth::placement {

std::uint32_t Books::acquire_kind(Tally::Set group, Tally::Set service, std::uint32_t holding) {
  const Holding& held = holdings_.at(holding);
  const auto acquired = kinds_.acquire({.group = group,
                                        .service = service,
                                        .holding = holding,
                                        .cpu = held.cpu,
                                        .memory_mib = held.memory_mib,
                                        .is_plain = held.parts.empty() && held.ports.empty()});
  if (acquired.is_new) {
    tally_.share(group);
    if (service != Tally::kNoSet) tally_.share(service);
    holdings_.share(holding);
  }
  return acquired.number;
}

void Books::forget_kind(std::uint32_t kind) {
  const TaskKind& gone = kinds_.at(kind);
  tally_.release(gone.group);
  if (gone.service != Tally::kNoSet) tally_.release(gone.service);
  holdings_.release(gone.holding);
}

void Books::use_more(const TaskKind& kind, std::uint32_t node, std::int64_t sign) {
  const Holding& holding = holdings_.at(kind.holding);
  for (const Holding::Part& part : holding.parts) {
    columns_[part.column].used[node] += sign * part.amount;
    offer(part.column, node);
  }
  for (const std::uint32_t key : holding.ports) {
    if (sign > 0) {
      hold_port(node, key);
    } else {
      free_port(node, key);
    }
  }
}

ReservationId Books::book(Booking booking) {
  NodeRow& row = rows_[booking.node];
  const TaskRecord task{
      .serial = row.next_serial, .kind = booking.kind & 0x7FFFFFFFu, .counted = 1};
  row.next_serial = row.next_serial == UINT32_MAX ? 1 : row.next_serial + 1;
  kinds_.share(task.kind);
  tasks_.add(booking.node, task);
  row.counted_tasks += 1;
  count_in(kind_of(task), booking.node, true);
  use(kind_of(task), booking.node, 1);
  if (!booking.devices.empty()) {
    NodeExtras& more = extras(booking.node);
    for (const DeviceGrant& grant : booking.devices) more.devices.take(grant);
    more.grants.emplace(task.serial, std::move(booking.devices));
    refresh_devices(booking.node);
  }
  mark(booking.node);
  return id_of(booking.node, task.serial);
}

const TaskRecord* Books::find(ReservationId id) const {
  const std::uint32_t node = node_of(id);
  if (!is_live(node)) return nullptr;
  const auto serial = static_cast<std::uint32_t>(static_cast<std::uint64_t>(id));
  for (const TaskRecord& task : tasks_.of(node)) {
    if (task.serial == serial) return &task;
  }
  return nullptr;
}

void Books::end(std::uint32_t node, TaskRecord* task) {
  NodeRow& row = rows_[node];
  const TaskRecord old = *task;
  tasks_.remove(node, task);
  if (old.counted != 0) {
    row.counted_tasks -= 1;
    count_in(kind_of(old), node, false);
  }
  use(kind_of(old), node, -1);
  if (row.extras != nullptr) {
    const auto grants = row.extras->grants.find(old.serial);
    if (grants != row.extras->grants.end()) {
      for (const DeviceGrant& grant : grants->second) row.extras->devices.give_back(grant);
      row.extras->grants.erase(grants);
      refresh_devices(node);
    }
    drop_empty_extras(node);
  }
  release_kind(old.kind);
  mark(node);
}

bool Books::release(ReservationId id) {
  const std::uint32_t node = node_of(id);
  if (node >= rows_.size()) return false;
  prefetch(node);
  // One that is not there has no tasks.
  TaskRecord* task = tasks_.find(node, static_cast<std::uint32_t>(static_cast<std::uint64_t>(id)));
  if (task == nullptr) return false;
  end(node, task);
  return true;
}

bool Books::retire(ReservationId id) {
  const std::uint32_t node = node_of(id);
  if (!is_live(node)) return false;
  TaskRecord* task = tasks_.find(node, static_cast<std::uint32_t>(static_cast<std::uint64_t>(id)));
  if (task == nullptr) return false;
  if (task->counted == 0) return true;
  task->counted = 0;
  rows_[node].counted_tasks -= 1;
  count_in(kind_of(*task), node, false);
  mark(node);
  return true;
}

std::uint32_t Books::count(Tally::Kind kind, Tally::Set set, std::uint32_t node) const {
  if (const CountTree* counts = tally_.counts(set)) {
    return static_cast<std::uint32_t>(counts->of(node));
  }
  std::uint32_t out = 0;
  for (const TaskRecord& task : tasks_.of(node)) {
    const TaskKind& what = kind_of(task);
    const bool is_of = (kind == Tally::Kind::Group ? what.group : what.service) == set;
    out += is_of && task.counted != 0 ? 1 : 0;
  }
  return out;
}

Tally::Slot Books::track(std::string_view attribute) {
  const Tally::Tracked tracked = tally_.track(attribute, classes_);
  if (!tracked.is_new) return tracked.slot;
  for (std::uint32_t node = 0; node < node_end(); ++node) {
    for (const TaskRecord& task : tasks_.of(node)) {
      if (task.counted == 0) continue;
      const TaskKind& kind = kind_of(task);
      tally_.add_value(kind.group, tracked.slot, rows_[node].node_class);
      if (kind.service != Tally::kNoSet)
        tally_.add_value(kind.service, tracked.slot, rows_[node].node_class);
    }
  }
  return tracked.slot;
}

void Books::keep_counts(Tally::Kind kind, Tally::Set set) {
  if (tally_.counts(set) != nullptr) return;
  CountTree counts;
  counts.resize(padded());
  for (std::uint32_t node = 0; node < node_end(); ++node) {
    const std::uint32_t tasks = count(kind, set, node);
    if (tasks > 0) counts.add_only(node, static_cast<std::int32_t>(tasks));
  }
  counts.finish();
  tally_.keep_counts(set, std::move(counts));
}

}  // namespace berth::placement
