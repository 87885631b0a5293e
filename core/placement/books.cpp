// SPDX-License-Identifier: Apache-2.0
#include "core/placement/books.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace berth::placement {
namespace {

constexpr std::size_t kShortestLog = 4096;

std::int32_t clamped(std::int64_t value) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, -kMaxAmount, kMaxAmount));
}

// By name, the last of several with one name.
void normalise(std::vector<Attribute>& attributes) {
  std::reverse(attributes.begin(), attributes.end());
  const auto by_name = [](const Attribute& a, const Attribute& b) { return a.name < b.name; };
  std::stable_sort(attributes.begin(), attributes.end(), by_name);
  const auto same = [](const Attribute& a, const Attribute& b) { return a.name == b.name; };
  attributes.erase(std::unique(attributes.begin(), attributes.end(), same), attributes.end());
}

ReservationId id_of(std::uint32_t slot, std::uint32_t generation) {
  return static_cast<ReservationId>((static_cast<std::uint64_t>(generation) << 32) | slot);
}

}  // namespace

const Attribute* NodeRow::attribute(std::string_view name) const {
  const auto at =
      std::lower_bound(spec.attributes.begin(), spec.attributes.end(), name,
                       [](const Attribute& a, std::string_view wanted) { return a.name < wanted; });
  return at == spec.attributes.end() || at->name != name ? nullptr : &*at;
}

Books::Books() {
  columns_.push_back(Column{.kind = Column::Kind::Cpu, .name = "CPU"});
  columns_.push_back(Column{.kind = Column::Kind::Memory, .name = "MEMORY"});
  columns_.push_back(Column{.kind = Column::Kind::Eni, .name = "ENI"});
}

// ---- Columns

ColumnId Books::column_id(Column::Kind kind, std::string_view name) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].kind == kind && columns_[i].name == name) return static_cast<ColumnId>(i);
  }
  Column column{.kind = kind, .name = std::string(name)};
  column.free.resize(padded());
  column.total.resize(padded());
  column.used.resize(padded());
  columns_.push_back(std::move(column));
  return static_cast<ColumnId>(columns_.size() - 1);
}

void Books::set_total(ColumnId id, std::uint32_t node, std::int64_t total) {
  Column& column = columns_[id];
  column.total[node] = total;
  column.free[node] = clamped(total - column.used[node]);
}

void Books::use(ColumnId id, std::uint32_t node, std::int64_t amount) {
  Column& column = columns_[id];
  column.used[node] += amount;
  column.free[node] = clamped(column.total[node] - column.used[node]);
}

void Books::refresh_devices(std::uint32_t node) {
  const DeviceBook& devices = rows_[node].devices;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    if (column.kind == Column::Kind::DeviceWhole) {
      set_total(static_cast<ColumnId>(i), node, devices.free_whole(column.name));
    } else if (column.kind == Column::Kind::DeviceShare) {
      set_total(static_cast<ColumnId>(i), node, devices.free_share(column.name));
    }
  }
}

std::span<const std::uint32_t> Books::nodes_with_port(std::uint32_t key) const {
  const auto at = port_nodes_.find(key);
  return at == port_nodes_.end() ? std::span<const std::uint32_t>{} : at->second;
}

void Books::hold_port(std::uint32_t node, std::uint32_t key) {
  if (++rows_[node].ports[key] > 1) return;
  auto& nodes = port_nodes_[key];
  nodes.insert(std::lower_bound(nodes.begin(), nodes.end(), node), node);
}

void Books::free_port(std::uint32_t node, std::uint32_t key) {
  auto& ports = rows_[node].ports;
  const auto held = ports.find(key);
  if (--held->second > 0) return;
  ports.erase(held);
  const auto known = port_nodes_.find(key);
  auto& nodes = known->second;
  nodes.erase(std::lower_bound(nodes.begin(), nodes.end(), node));
  if (nodes.empty()) port_nodes_.erase(known);
}

// ---- Nodes

Result<std::uint32_t> Books::add_node(NodeSpec spec) {
  if (auto error = refuse_spec(spec)) return *std::move(error);
  if (by_id_.contains(spec.id)) {
    return Error{Error::Code::AlreadyExists, "There already is a node " + spec.id + ".", "id"};
  }
  std::uint32_t node = node_end();
  if (free_nodes_.empty()) {
    rows_.emplace_back();
    for (Column& column : columns_) {
      column.free.resize(padded());
      column.total.resize(padded());
      column.used.resize(padded());
    }
    tally_.add_nodes(rows_.size());
  } else {
    node = free_nodes_.top();
    free_nodes_.pop();
  }
  by_id_.emplace(spec.id, node);
  attach(node, std::move(spec));
  return node;
}

Result<std::uint32_t> Books::change_node(std::uint32_t node, NodeSpec spec) {
  if (!is_live(node)) return Error{Error::Code::NotFound, "There is no such node."};
  if (auto error = refuse_spec(spec)) return *std::move(error);
  if (spec.id != rows_[node].spec.id) {
    return Error{Error::Code::Invalid, "The node " + rows_[node].spec.id + " cannot change its id.",
                 "id"};
  }
  detach(node);
  attach(node, std::move(spec));
  return node;
}

void Books::attach(std::uint32_t node, NodeSpec spec) {
  normalise(spec.attributes);
  NodeRow& row = rows_[node];
  row.live = true;
  set_total(kCpuColumn, node, spec.cpu);
  set_total(kMemoryColumn, node, spec.memory_mib);
  set_total(kEniColumn, node, spec.eni_slots);
  for (const Capacity& capacity : spec.capacities) {
    set_total(column_id(Column::Kind::Amount, capacity.name), node, capacity.total);
  }
  for (const Device& device : spec.devices) {
    has_partitions_ = has_partitions_ || !device.parent.empty();
    static_cast<void>(column_id(Column::Kind::DeviceWhole, device.type));
    static_cast<void>(column_id(Column::Kind::DeviceShare, device.type));
  }
  row.devices = DeviceBook(spec.devices);
  for (const Port port : spec.reserved_ports) hold_port(node, port_key(port));
  row.spec = std::move(spec);
  for (const std::uint32_t slot : row.tasks) take(node, reservations_[slot]);
  refresh_devices(node);
  touch(node);
}

// The row as if no node were there, its tasks' list aside.
void Books::detach(std::uint32_t node) {
  NodeRow& row = rows_[node];
  for (const std::uint32_t slot : row.tasks) give_back(node, reservations_[slot]);
  for (const Port port : row.spec.reserved_ports) free_port(node, port_key(port));
  row.devices = DeviceBook();
  for (std::size_t i = 0; i < columns_.size(); ++i) set_total(static_cast<ColumnId>(i), node, 0);
  row.spec = NodeSpec{};
  row.live = false;
}

void Books::set_status(std::uint32_t node, NodeSpec::State state, bool connected) {
  NodeSpec& spec = rows_[node].spec;
  if (spec.state == state && spec.connected == connected) return;
  spec.state = state;
  spec.connected = connected;
  touch(node);
}

void Books::remove_node(std::uint32_t node) {
  while (!rows_[node].tasks.empty()) end(rows_[node].tasks.back());
  by_id_.erase(rows_[node].spec.id);
  detach(node);
  free_nodes_.push(node);
  touch(node);
}

std::optional<std::uint32_t> Books::find_node(std::string_view id) const {
  const auto at = by_id_.find(std::string(id));
  return at == by_id_.end() ? std::nullopt : std::optional(at->second);
}

// ---- Tasks

void Books::take(std::uint32_t node, const Reservation& reservation) {
  for (const Holding::Part& part : reservation.holding->parts) use(part.column, node, part.amount);
  for (const std::uint32_t key : reservation.holding->ports) hold_port(node, key);
  for (const DeviceGrant& grant : reservation.devices) rows_[node].devices.take(grant);
}

void Books::give_back(std::uint32_t node, const Reservation& reservation) {
  for (const Holding::Part& part : reservation.holding->parts) use(part.column, node, -part.amount);
  for (const std::uint32_t key : reservation.holding->ports) free_port(node, key);
  for (const DeviceGrant& grant : reservation.devices) rows_[node].devices.give_back(grant);
}

ReservationId Books::book(Booking booking) {
  std::uint32_t slot = 0;
  if (free_reservations_.empty()) {
    slot = static_cast<std::uint32_t>(reservations_.size());
    reservations_.emplace_back();
  } else {
    slot = free_reservations_.back();
    free_reservations_.pop_back();
  }
  NodeRow& row = rows_[booking.node];
  Reservation& made = reservations_[slot];
  made.generation += 1;
  made.live = true;
  made.counted = true;
  made.node = booking.node;
  made.position = static_cast<std::uint32_t>(row.tasks.size());
  made.group = tally_.acquire(Tally::Kind::Group, booking.group);
  tally_.add(made.group, booking.node);
  made.service.reset();
  if (!booking.service.empty()) {
    made.service = tally_.acquire(Tally::Kind::Service, booking.service);
    tally_.add(*made.service, booking.node);
  }
  made.holding = std::move(booking.holding);
  made.devices = std::move(booking.devices);
  row.tasks.push_back(slot);
  row.counted_tasks += 1;
  take(booking.node, made);
  if (!made.devices.empty()) refresh_devices(booking.node);
  return id_of(slot, made.generation);
}

const Reservation* Books::find(ReservationId id) const {
  const auto bits = static_cast<std::uint64_t>(id);
  const auto slot = static_cast<std::uint32_t>(bits);
  if (slot >= reservations_.size()) return nullptr;
  const Reservation& found = reservations_[slot];
  return found.live && found.generation == bits >> 32 ? &found : nullptr;
}

void Books::uncount(Reservation& reservation) {
  if (!reservation.counted) return;
  reservation.counted = false;
  rows_[reservation.node].counted_tasks -= 1;
  tally_.remove(reservation.group, reservation.node);
  if (reservation.service) tally_.remove(*reservation.service, reservation.node);
}

void Books::end(std::uint32_t slot) {
  Reservation& old = reservations_[slot];
  NodeRow& row = rows_[old.node];
  uncount(old);
  tally_.release(old.group);
  if (old.service) tally_.release(*old.service);
  give_back(old.node, old);
  if (!old.devices.empty()) refresh_devices(old.node);
  row.tasks[old.position] = row.tasks.back();
  reservations_[row.tasks[old.position]].position = old.position;
  row.tasks.pop_back();
  old.live = false;
  old.holding.reset();
  old.devices.clear();
  free_reservations_.push_back(slot);
}

bool Books::release(ReservationId id) {
  if (find(id) == nullptr) return false;
  end(static_cast<std::uint32_t>(static_cast<std::uint64_t>(id)));
  return true;
}

bool Books::retire(ReservationId id) {
  if (find(id) == nullptr) return false;
  uncount(reservations_[static_cast<std::uint32_t>(static_cast<std::uint64_t>(id))]);
  return true;
}

// ---- Changes

void Books::touch(std::uint32_t node) {
  // A reader that fell so far behind looks at all nodes faster than at the log.
  if (log_.size() >= std::max(kShortestLog, rows_.size() / 2)) {
    log_begin_ += log_.size();
    log_.clear();
  }
  log_.push_back(node);
}

Books::Changes Books::changes_since(std::uint64_t seen) const {
  if (seen == kNothingSeen || seen < log_begin_) return Changes{};
  return Changes{false, std::span(log_).subspan(static_cast<std::size_t>(seen - log_begin_))};
}

}  // namespace berth::placement
