// SPDX-License-Identifier: Apache-2.0
// Books: the nodes, what they offer, and what each of their tasks holds.
//
// Invariants:
//  1. A column's offer is total - used, clamped to 32 bits, where the node takes tasks (it is
//  there,
//     active and connected), and lanes::kNothing elsewhere.
//  2. Whatever changes what a node offers, runs or is marks it in every DirtyNodes that watches.
// Decides nothing. Threads: one at a time. Nodes are named by plain index here; "live" means that a
// node has it. Costs: 64 bytes a node for the row, 8
// for where its tasks are, 24 and the ids' bytes for who it is; 20 more for each further column; 8
// a task, in whole lines, and 32 for each kind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/placement/compact_string.hpp"
#include "core/placement/devices.hpp"
#include "core/placement/dirty_nodes.hpp"
#include "core/placement/holdings.hpp"
#include "core/placement/lanes.hpp"
#include "core/placement/large_memory.hpp"
#include "core/placement/node_classes.hpp"
#include "core/placement/node_ids.hpp"
#include "core/placement/tally.hpp"
#include "core/placement/task_kinds.hpp"
#include "core/placement/task_lists.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

// An amount of every node.
struct Column {
  enum class Kind : std::uint8_t { Cpu, Memory, Eni, Amount, DeviceWhole, DeviceShare };
  Kind kind;
  std::string name;  // of Amount; the type, of devices
  // Empty for cpu and memory, which the rows have.
  std::vector<std::int32_t> offer{};
  std::vector<std::int64_t> total{};
  std::vector<std::int64_t> used{};  // unused by devices, whose book knows
};
inline constexpr ColumnId kCpuColumn = 0;
inline constexpr ColumnId kMemoryColumn = 1;

// What few nodes have.
struct NodeExtras {
  DeviceBook devices{};
  std::vector<Device> device_specs{};
  std::vector<Port> reserved_ports{};
  std::vector<Capacity> capacities{};
  std::int64_t eni_slots = 0;
  std::map<std::uint32_t, std::uint32_t> ports{};  // key -> holders, the node itself included
  std::map<std::uint32_t, std::vector<DeviceGrant>> grants{};  // by task serial
};

// One line of the cache.
struct alignas(64) NodeRow {
  std::int64_t used_cpu = 0;
  std::int64_t used_memory_mib = 0;
  std::int32_t total_cpu = 0;
  std::int32_t total_memory_mib = 0;
  std::uint32_t next_serial = 1;    // lasts beyond the node, so that no id is given twice
  std::uint32_t counted_tasks = 0;  // those that are not retired
  std::unique_ptr<NodeExtras> extras{};
  std::uint32_t node_class = 0;
  bool live = false;
  bool active = true;
  bool connected = true;

  [[nodiscard]] bool takes_tasks() const { return live && active && connected; }
};

struct NodeIdentity {
  CompactString id{};
  CompactString ec2_instance_id{};
  std::int64_t registered_at_ms = 0;
};

inline constexpr ColumnId kFirstColumn = 2;  // that the rows do not have

class Books {
 public:
  // Null: nobody is shown large memory.
  explicit Books(AdviseMemory advise = nullptr);

  // ---- Nodes. Errors: as Engine::add_node.
  [[nodiscard]] Result<std::uint32_t> add_node(const NodeSpec& spec);
  [[nodiscard]] Result<std::uint32_t> change_node(std::uint32_t node, const NodeSpec& spec);
  void set_status(std::uint32_t node, NodeSpec::State state, bool connected);
  void remove_node(std::uint32_t node);
  [[nodiscard]] bool is_live(std::uint32_t node) const {
    return node < rows_.size() && rows_[node].live;
  }
  [[nodiscard]] AdviseMemory advise_memory() const { return advise_; }
  [[nodiscard]] const NodeRow& row(std::uint32_t node) const { return rows_[node]; }
  // Has the row at hand that the next questions will ask for.
  void prefetch(std::uint32_t node) const { lanes::prefetch(&rows_[node]); }
  // Valid until tasks come or go.
  [[nodiscard]] std::span<const TaskRecord> tasks(std::uint32_t node) const {
    return tasks_.of(node);
  }
  [[nodiscard]] const NodeIdentity& identity(std::uint32_t node) const { return identities_[node]; }
  [[nodiscard]] std::uint32_t class_number(std::uint32_t node) const {
    return rows_[node].node_class;
  }
  [[nodiscard]] const NodeClass& node_class(std::uint32_t node) const {
    return classes_.at(rows_[node].node_class);
  }
  [[nodiscard]] const NodeClasses& classes() const { return classes_; }
  [[nodiscard]] const DeviceBook& devices(std::uint32_t node) const;
  [[nodiscard]] NodeSpec spec(std::uint32_t node) const;
  [[nodiscard]] std::optional<std::uint32_t> find_node(std::string_view id) const;
  [[nodiscard]] std::size_t node_count() const { return ids_.size(); }
  // Indices below this one have or had nodes; columns and bitmaps reach to `padded()`, a multiple
  // of 64.
  [[nodiscard]] std::uint32_t node_end() const { return static_cast<std::uint32_t>(rows_.size()); }
  [[nodiscard]] std::size_t padded() const { return (rows_.size() + 63) / 64 * 64; }

  // ---- Columns
  // The column of this kind and name, made where there is none. Columns stay: names of resources
  // are few.
  [[nodiscard]] ColumnId column_id(Column::Kind kind, std::string_view name);
  [[nodiscard]] std::optional<ColumnId> find_column(Column::Kind kind, std::string_view name) const;
  // Of a column that is not cpu or memory.
  [[nodiscard]] const std::int32_t* offers(ColumnId id) const { return columns_[id].offer.data(); }
  // What the node offers, or lanes::kNothing.
  [[nodiscard]] std::int32_t cpu_offer(std::uint32_t node) const {
    const NodeRow& row = rows_[node];
    return row.takes_tasks() ? clamped(row.total_cpu - row.used_cpu) : lanes::kNothing;
  }
  [[nodiscard]] std::int32_t memory_offer(std::uint32_t node) const {
    const NodeRow& row = rows_[node];
    return row.takes_tasks() ? clamped(row.total_memory_mib - row.used_memory_mib)
                             : lanes::kNothing;
  }
  [[nodiscard]] std::size_t column_count() const { return columns_.size(); }
  // Total less what tasks hold, whether or not the node takes tasks.
  [[nodiscard]] std::int64_t left(ColumnId id, std::uint32_t node) const {
    const NodeRow& row = rows_[node];
    if (id == kCpuColumn) return row.total_cpu - row.used_cpu;
    if (id == kMemoryColumn) return row.total_memory_mib - row.used_memory_mib;
    return columns_[id].total[node] - columns_[id].used[node];
  }
  // Nodes on which the port is held, ascending.
  [[nodiscard]] std::span<const std::uint32_t> nodes_with_port(std::uint32_t key) const;
  [[nodiscard]] bool has_port(std::uint32_t node, std::uint32_t key) const;
  // Whether any node ever had a device that is a part of another.
  [[nodiscard]] bool has_partitions() const { return has_partitions_; }

  // ---- Tasks
  struct Booking {
    std::uint32_t node = 0;
    std::uint32_t kind = 0;
    std::vector<DeviceGrant> devices{};
  };
  // Shares the booking's kind.
  ReservationId book(Booking booking);
  bool release(ReservationId id);
  bool retire(ReservationId id);
  [[nodiscard]] const TaskRecord* find(ReservationId id) const;
  // The kind of such tasks (service: kNoSet where there is none), which shares the sets and the
  // holding; each wants one release.
  [[nodiscard]] std::uint32_t acquire_kind(Tally::Set group, Tally::Set service,
                                           std::uint32_t holding);
  void release_kind(std::uint32_t kind) {
    if (kinds_.release(kind)) forget_kind(kind);
  }
  // Has the lines at hand that booking such a task will ask for, its node's aside.
  void prefetch_booking(std::uint32_t kind, Tally::Set group) const {
    kinds_.prefetch(kind);
    tally_.prefetch(group);
  }
  [[nodiscard]] const TaskKind& kind_of(const TaskRecord& task) const {
    return kinds_.at(task.kind);
  }
  [[nodiscard]] static std::uint32_t node_of(ReservationId id) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> 32);
  }
  [[nodiscard]] static ReservationId id_of(std::uint32_t node, std::uint32_t serial) {
    return static_cast<ReservationId>((std::uint64_t{node} << 32) | serial);
  }
  // Tasks of the set on the node that count. Cost: the node's tasks, unless counts are kept.
  [[nodiscard]] std::uint32_t count(Tally::Kind kind, Tally::Set set, std::uint32_t node) const;

  Tally& tally() { return tally_; }
  [[nodiscard]] const Tally& tally() const { return tally_; }
  Holdings& holdings() { return holdings_; }
  [[nodiscard]] const Holdings& holdings() const { return holdings_; }
  // The attribute's slot of the tally, with all that runs counted. Cost where it is new: all tasks.
  [[nodiscard]] Tally::Slot track(std::string_view attribute);
  // Makes the tally keep counts for each node. Cost: all tasks.
  void keep_counts(Tally::Kind kind, Tally::Set set);

  // Marked by every change of a node from now on. Lives longer than the books.
  void watch(DirtyNodes* dirty) { watchers_.push_back(dirty); }
  void unwatch(DirtyNodes* dirty) { std::erase(watchers_, dirty); }
  // Changes of who nodes are: they came, went, or have another spec.
  [[nodiscard]] const ChangeLog& identity_log() const { return identity_log_; }
  // Every change of a node, kept from the first call of log_nodes on.
  void log_nodes() { logs_nodes_ = true; }
  [[nodiscard]] const ChangeLog& node_log() const { return node_log_; }

  struct Memory {
    std::size_t nodes = 0;
    std::size_t tasks = 0;
  };
  [[nodiscard]] Memory memory() const;

 private:
  void attach(std::uint32_t node, const NodeSpec& spec);
  void detach(std::uint32_t node);
  void leave_class(std::uint32_t node);
  NodeExtras& extras(std::uint32_t node);
  void drop_empty_extras(std::uint32_t node);
  [[nodiscard]] static std::int32_t clamped(std::int64_t value) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, -kMaxAmount, kMaxAmount));
  }
  void offer(ColumnId id, std::uint32_t node) {
    columns_[id].offer[node] =
        rows_[node].takes_tasks() ? clamped(left(id, node)) : lanes::kNothing;
  }
  void offer_all(std::uint32_t node);
  void use(const TaskKind& kind, std::uint32_t node, std::int64_t sign) {
    NodeRow& row = rows_[node];
    row.used_cpu += sign * kind.cpu;
    row.used_memory_mib += sign * kind.memory_mib;
    if (!kind.is_plain) use_more(kind, node, sign);
  }
  // What is neither cpu nor memory.
  void use_more(const TaskKind& kind, std::uint32_t node, std::int64_t sign);
  void forget_kind(std::uint32_t kind);
  void refresh_devices(std::uint32_t node);
  void hold_port(std::uint32_t node, std::uint32_t key);
  void free_port(std::uint32_t node, std::uint32_t key);
  void count_in(const TaskKind& kind, std::uint32_t node, bool in) {
    const std::uint32_t node_class = rows_[node].node_class;
    const auto count = [&](Tally::Set set) {
      if (in) {
        tally_.add(set, node, node_class);
      } else {
        tally_.remove(set, node, node_class);
      }
    };
    count(kind.group);
    if (kind.service != Tally::kNoSet) count(kind.service);
  }
  void end(std::uint32_t node, TaskRecord* task);
  void mark(std::uint32_t node) {
    for (DirtyNodes* dirty : watchers_) dirty->mark(node);
    if (logs_nodes_) node_log_.add(node, rows_.size());
  }

  AdviseMemory advise_;
  LargeVector<NodeRow> rows_;
  TaskLists tasks_;
  std::vector<NodeIdentity> identities_;
  NodeIds ids_;
  NodeClasses classes_;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free_nodes_;
  std::vector<Column> columns_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>
      port_nodes_;  // looked up, never iterated
  bool has_partitions_ = false;
  Holdings holdings_;
  TaskKinds kinds_;
  Tally tally_;
  std::vector<DirtyNodes*> watchers_;
  ChangeLog identity_log_;
  ChangeLog node_log_;
  bool logs_nodes_ = false;
};

// Why a spec cannot be a node, or nothing. Checked by add_node and change_node.
[[nodiscard]] std::optional<Error> refuse_spec(const NodeSpec& spec);

}  // namespace berth::placement
