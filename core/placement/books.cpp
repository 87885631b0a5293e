// SPDX-License-Identifier: Apache-2.0
// The nodes of the books; their tasks are in bookings.cpp.
#include "core/placement/books.hpp"

#include <algorithm>
#include <utility>

#include "core/placement/lanes.hpp"

namespace berth::placement {
Books::Books(AdviseMemory advise)
    : advise_(advise), rows_(LargeAllocator<NodeRow>(advise)), tasks_(advise) {
  columns_.push_back(Column{.kind = Column::Kind::Cpu, .name = "CPU"});
  columns_.push_back(Column{.kind = Column::Kind::Memory, .name = "MEMORY"});
  // Zones are what services spread over without being asked to.
  static_cast<void>(tally_.track(kZoneAttribute, classes_));
}

// ---- Columns

std::optional<ColumnId> Books::find_column(Column::Kind kind, std::string_view name) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].kind == kind && columns_[i].name == name) return static_cast<ColumnId>(i);
  }
  return std::nullopt;
}

ColumnId Books::column_id(Column::Kind kind, std::string_view name) {
  if (const auto known = find_column(kind, name)) return *known;
  Column column{.kind = kind, .name = std::string(name)};
  column.offer.resize(padded(), lanes::kNothing);
  column.total.resize(rows_.size());
  column.used.resize(rows_.size());
  columns_.push_back(std::move(column));
  const auto id = static_cast<ColumnId>(columns_.size() - 1);
  for (std::uint32_t node = 0; node < node_end(); ++node) offer(id, node);
  return id;
}

void Books::offer_all(std::uint32_t node) {
  for (ColumnId id = kFirstColumn; id < columns_.size(); ++id) offer(id, node);
}

void Books::refresh_devices(std::uint32_t node) {
  const DeviceBook& book = devices(node);
  for (ColumnId id = kFirstColumn; id < columns_.size(); ++id) {
    Column& column = columns_[id];
    if (column.kind == Column::Kind::DeviceWhole) {
      column.total[node] = book.free_whole(column.name);
    } else if (column.kind == Column::Kind::DeviceShare) {
      column.total[node] = book.free_share(column.name);
    } else {
      continue;
    }
    offer(id, node);
  }
}

// ---- Extras

NodeExtras& Books::extras(std::uint32_t node) {
  auto& out = rows_[node].extras;
  if (out == nullptr) out = std::make_unique<NodeExtras>();
  return *out;
}

void Books::drop_empty_extras(std::uint32_t node) {
  const NodeExtras* extras = rows_[node].extras.get();
  const bool empty = extras != nullptr && extras->device_specs.empty() &&
                     extras->reserved_ports.empty() && extras->capacities.empty() &&
                     extras->eni_slots == 0 && extras->ports.empty() && extras->grants.empty();
  if (empty) rows_[node].extras.reset();
}

const DeviceBook& Books::devices(std::uint32_t node) const {
  static const DeviceBook kNone;
  const NodeExtras* extras = rows_[node].extras.get();
  return extras == nullptr ? kNone : extras->devices;
}

std::span<const std::uint32_t> Books::nodes_with_port(std::uint32_t key) const {
  const auto at = port_nodes_.find(key);
  return at == port_nodes_.end() ? std::span<const std::uint32_t>{} : at->second;
}

bool Books::has_port(std::uint32_t node, std::uint32_t key) const {
  const NodeExtras* extras = rows_[node].extras.get();
  return extras != nullptr && extras->ports.contains(key);
}

void Books::hold_port(std::uint32_t node, std::uint32_t key) {
  if (++extras(node).ports[key] > 1) return;
  auto& nodes = port_nodes_[key];
  nodes.insert(std::lower_bound(nodes.begin(), nodes.end(), node), node);
}

void Books::free_port(std::uint32_t node, std::uint32_t key) {
  auto& ports = extras(node).ports;
  const auto held = ports.find(key);
  if (--held->second > 0) return;
  ports.erase(held);
  const auto known = port_nodes_.find(key);
  auto& nodes = known->second;
  nodes.erase(std::lower_bound(nodes.begin(), nodes.end(), node));
  if (nodes.empty()) port_nodes_.erase(known);
}

// ---- Nodes

Result<std::uint32_t> Books::add_node(const NodeSpec& spec) {
  if (auto error = refuse_spec(spec)) return *std::move(error);
  if (find_node(spec.id)) {
    return Error{Error::Code::AlreadyExists, "There already is a node " + spec.id + ".", "id"};
  }
  std::uint32_t node = node_end();
  if (free_nodes_.empty()) {
    rows_.emplace_back();
    tasks_.resize(rows_.size());
    identities_.emplace_back();
    for (Column& column : std::span(columns_).subspan(kFirstColumn)) {
      column.offer.resize(padded(), lanes::kNothing);
      column.total.resize(rows_.size());
      column.used.resize(rows_.size());
    }
    tally_.grow(padded());
  } else {
    node = free_nodes_.top();
    free_nodes_.pop();
  }
  identities_[node].id = CompactString(spec.id);
  ids_.add(node, [this](std::uint32_t n) { return identities_[n].id.view(); });
  attach(node, spec);
  return node;
}

Result<std::uint32_t> Books::change_node(std::uint32_t node, const NodeSpec& spec) {
  if (!is_live(node)) return Error{Error::Code::NotFound, "There is no such node."};
  if (auto error = refuse_spec(spec)) return *std::move(error);
  const std::string_view id = identities_[node].id.view();
  if (spec.id != id) {
    return Error{Error::Code::Invalid,
                 "The node " + std::string(id) + " cannot change its id to " + spec.id + ".", "id"};
  }
  detach(node);
  attach(node, spec);
  return node;
}

void Books::attach(std::uint32_t node, const NodeSpec& spec) {
  const auto joined = classes_.join(spec);
  if (joined.is_new) tally_.class_came(joined.number, classes_.at(joined.number));
  rows_[node].node_class = joined.number;
  NodeRow& row = rows_[node];
  row.live = true;
  row.active = spec.state == NodeSpec::State::Active;
  row.connected = spec.connected;
  row.total_cpu = static_cast<std::int32_t>(spec.cpu);
  row.total_memory_mib = static_cast<std::int32_t>(spec.memory_mib);
  identities_[node].ec2_instance_id = CompactString(spec.ec2_instance_id);
  identities_[node].registered_at_ms = spec.registered_at_ms;
  const bool plain = spec.eni_slots == 0 && spec.devices.empty() && spec.reserved_ports.empty() &&
                     spec.capacities.empty();
  if (!plain) {
    NodeExtras& more = extras(node);
    more.eni_slots = spec.eni_slots;
    more.device_specs = spec.devices;
    more.devices = DeviceBook(spec.devices);
    more.reserved_ports = spec.reserved_ports;
    more.capacities = spec.capacities;
    const ColumnId eni = column_id(Column::Kind::Eni, "ENI");
    columns_[eni].total[node] = spec.eni_slots;
    for (const Capacity& capacity : spec.capacities) {
      const ColumnId id = column_id(Column::Kind::Amount, capacity.name);
      columns_[id].total[node] = capacity.total;
    }
    for (const Device& device : spec.devices) {
      has_partitions_ = has_partitions_ || !device.parent.empty();
      static_cast<void>(column_id(Column::Kind::DeviceWhole, device.type));
      static_cast<void>(column_id(Column::Kind::DeviceShare, device.type));
    }
    for (const Port port : spec.reserved_ports) hold_port(node, port_key(port));
    for (const auto& [serial, grants] : more.grants) {
      for (const DeviceGrant& grant : grants) more.devices.take(grant);
    }
    refresh_devices(node);
  }
  for (const TaskRecord& task : tasks_.of(node)) {
    if (task.counted != 0) count_in(kind_of(task), node, true);
  }
  offer_all(node);
  identity_log_.add(node, rows_.size());
  mark(node);
}

// The row as if no node were there, its tasks and what they hold aside.
void Books::detach(std::uint32_t node) {
  NodeRow& row = rows_[node];
  for (const TaskRecord& task : tasks_.of(node)) {
    if (task.counted != 0) count_in(kind_of(task), node, false);
  }
  if (classes_.nodes_of(rows_[node].node_class) == 1) tally_.class_goes(rows_[node].node_class);
  classes_.leave(rows_[node].node_class);
  if (row.extras != nullptr) {
    for (const Port port : row.extras->reserved_ports) free_port(node, port_key(port));
    row.extras->devices = DeviceBook();
    row.extras->device_specs.clear();
    row.extras->reserved_ports.clear();
    row.extras->capacities.clear();
    row.extras->eni_slots = 0;
    for (ColumnId id = kFirstColumn; id < columns_.size(); ++id) columns_[id].total[node] = 0;
    drop_empty_extras(node);
  }
  row.total_cpu = 0;
  row.total_memory_mib = 0;
  row.live = false;
  offer_all(node);
}

void Books::set_status(std::uint32_t node, NodeSpec::State state, bool connected) {
  NodeRow& row = rows_[node];
  const bool active = state == NodeSpec::State::Active;
  if (row.active == active && row.connected == connected) return;
  row.active = active;
  row.connected = connected;
  offer_all(node);
  mark(node);
}

void Books::remove_node(std::uint32_t node) {
  while (!tasks_.of(node).empty()) end(node, tasks_.find(node, tasks_.of(node).front().serial));
  detach(node);
  ids_.remove(node, [this](std::uint32_t n) { return identities_[n].id.view(); });
  identities_[node] = NodeIdentity{};
  tasks_.clear(node);
  free_nodes_.push(node);
  identity_log_.add(node, rows_.size());
  mark(node);
}

std::optional<std::uint32_t> Books::find_node(std::string_view id) const {
  return ids_.find(id, [this](std::uint32_t n) { return identities_[n].id.view(); });
}

NodeSpec Books::spec(std::uint32_t node) const {
  const NodeRow& row = rows_[node];
  const NodeClass& of = node_class(node);
  NodeSpec out{.id = std::string(identities_[node].id.view()),
               .owner = of.owner,
               .capacity_provider = of.capacity_provider,
               .state = row.active ? NodeSpec::State::Active : NodeSpec::State::Draining,
               .connected = row.connected,
               .cpu = row.total_cpu,
               .memory_mib = row.total_memory_mib,
               .attributes = of.attributes,
               .ec2_instance_id = std::string(identities_[node].ec2_instance_id.view()),
               .agent_version = of.agent_version,
               .registered_at_ms = identities_[node].registered_at_ms};
  if (row.extras == nullptr) return out;
  out.eni_slots = row.extras->eni_slots;
  out.reserved_ports = row.extras->reserved_ports;
  out.capacities = row.extras->capacities;
  out.devices = row.extras->device_specs;
  return out;
}

Books::Memory Books::memory() const {
  Memory out;
  out.nodes = rows_.capacity() * sizeof(NodeRow) + identities_.capacity() * sizeof(NodeIdentity) +
              ids_.bytes() + classes_.bytes() + identity_log_.bytes() + node_log_.bytes() +
              free_nodes_.size() * sizeof(std::uint32_t);
  for (const Column& column : columns_) {
    out.nodes += column.offer.capacity() * sizeof(std::int32_t) +
                 (column.total.capacity() + column.used.capacity()) * sizeof(std::int64_t);
  }
  out.nodes += tasks_.node_bytes();
  out.tasks = holdings_.bytes() + kinds_.bytes() + tasks_.task_bytes();
  for (std::uint32_t node = 0; node < node_end(); ++node) {
    out.nodes += identities_[node].id.bytes() + identities_[node].ec2_instance_id.bytes();
    const NodeExtras* extras = rows_[node].extras.get();
    if (extras == nullptr) continue;
    out.nodes += sizeof(NodeExtras) + extras->device_specs.size() * (2 * sizeof(Device) + 64) +
                 extras->capacities.size() * sizeof(Capacity);
    out.tasks += (extras->ports.size() + extras->grants.size()) * 64;
  }
  return out;
}

}  // namespace berth::placement
