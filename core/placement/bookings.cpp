// SPDX-License-Identifier: Apache-2.0
// The tasks of the books.
#include <algorithm>
#include <utility>

#include "core/placement/books.hpp"

namespace berth::placement {

void Books::use(const Holding& holding, std::uint32_t node, std::int64_t sign) {
  NodeRow& row = rows_[node];
  row.used_cpu += sign * holding.cpu;
  row.used_memory_mib += sign * holding.memory_mib;
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

void Books::count_in(const TaskRecord& task, std::uint32_t node, bool in) {
  const std::uint32_t node_class = rows_[node].node_class;
  const auto count = [&](Tally::Set set) {
    if (in) {
      tally_.add(set, node, node_class);
    } else {
      tally_.remove(set, node, node_class);
    }
  };
  count(task.group);
  if (task.service != TaskRecord::kNoSet) count(task.service);
}

ReservationId Books::book(Booking booking) {
  NodeRow& row = rows_[booking.node];
  const TaskRecord task{.serial = row.next_serial,
                        .group = booking.group,
                        .service = booking.service.value_or(TaskRecord::kNoSet),
                        .holding = booking.holding & 0x7FFFFFFFu,
                        .counted = 1};
  row.next_serial = row.next_serial == UINT32_MAX ? 1 : row.next_serial + 1;
  tally_.share(task.group);
  if (booking.service) tally_.share(*booking.service);
  holdings_.share(task.holding);
  row.tasks.add(task);
  row.counted_tasks += 1;
  count_in(task, booking.node, true);
  use(holdings_.at(task.holding), booking.node, 1);
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
  for (const TaskRecord& task : rows_[node].tasks) {
    if (task.serial == serial) return &task;
  }
  return nullptr;
}

void Books::end(std::uint32_t node, TaskRecord* task) {
  NodeRow& row = rows_[node];
  const TaskRecord old = *task;
  row.tasks.remove(task);
  if (old.counted != 0) {
    row.counted_tasks -= 1;
    count_in(old, node, false);
  }
  use(holdings_.at(old.holding), node, -1);
  if (row.extras != nullptr) {
    const auto grants = row.extras->grants.find(old.serial);
    if (grants != row.extras->grants.end()) {
      for (const DeviceGrant& grant : grants->second) row.extras->devices.give_back(grant);
      row.extras->grants.erase(grants);
      refresh_devices(node);
    }
    drop_empty_extras(node);
  }
  tally_.release(old.group);
  if (old.service != TaskRecord::kNoSet) tally_.release(old.service);
  holdings_.release(old.holding);
  mark(node);
}

bool Books::release(ReservationId id) {
  const std::uint32_t node = node_of(id);
  if (!is_live(node)) return false;
  TaskRecord* task =
      rows_[node].tasks.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(id)));
  if (task == nullptr) return false;
  end(node, task);
  return true;
}

bool Books::retire(ReservationId id) {
  const std::uint32_t node = node_of(id);
  if (!is_live(node)) return false;
  TaskRecord* task =
      rows_[node].tasks.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(id)));
  if (task == nullptr) return false;
  if (task->counted == 0) return true;
  task->counted = 0;
  rows_[node].counted_tasks -= 1;
  count_in(*task, node, false);
  mark(node);
  return true;
}

std::uint32_t Books::count(Tally::Kind kind, Tally::Set set, std::uint32_t node) const {
  if (const CountTree* counts = tally_.counts(set)) {
    return static_cast<std::uint32_t>(counts->of(node));
  }
  std::uint32_t out = 0;
  for (const TaskRecord& task : rows_[node].tasks) {
    const bool is_of = (kind == Tally::Kind::Group ? task.group : task.service) == set;
    out += is_of && task.counted != 0 ? 1 : 0;
  }
  return out;
}

Tally::Slot Books::track(std::string_view attribute) {
  const Tally::Tracked tracked = tally_.track(attribute, classes_);
  if (!tracked.is_new) return tracked.slot;
  for (std::uint32_t node = 0; node < node_end(); ++node) {
    for (const TaskRecord& task : rows_[node].tasks) {
      if (task.counted == 0) continue;
      tally_.add_value(task.group, tracked.slot, rows_[node].node_class);
      if (task.service != TaskRecord::kNoSet)
        tally_.add_value(task.service, tracked.slot, rows_[node].node_class);
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
