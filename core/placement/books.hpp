// SPDX-License-Identifier: Apache-2.0
// Books: the nodes in columns, and what each of their tasks holds.
//
// Invariants: free = total - used, clamped to 32 bits, in every column of every node; the rows of
// indices without a node are 0. Decides nothing. Threads: one at a time. Nodes are named by plain
// index here; "live" means that a node has it.
#pragma once

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

#include "core/placement/devices.hpp"
#include "core/placement/tally.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

// An amount of every node.
struct Column {
  enum class Kind : std::uint8_t { Cpu, Memory, Eni, Amount, DeviceWhole, DeviceShare };
  Kind kind;
  std::string name;  // of Amount; the type, of devices
  std::vector<std::int32_t> free{};
  std::vector<std::int64_t> total{};
  std::vector<std::int64_t> used{};  // unused by devices, whose book knows
};
using ColumnId = std::uint32_t;
inline constexpr ColumnId kCpuColumn = 0;
inline constexpr ColumnId kMemoryColumn = 1;
inline constexpr ColumnId kEniColumn = 2;

// What a task holds on its node, devices aside.
struct Holding {
  struct Part {
    ColumnId column = 0;
    std::int64_t amount = 0;
  };
  std::vector<Part> parts{};
  std::vector<std::uint32_t> ports{};  // see port_key
};

[[nodiscard]] inline std::uint32_t port_key(Port port) {
  return (static_cast<std::uint32_t>(port.protocol) << 16) | port.number;
}
[[nodiscard]] inline Port port_of(std::uint32_t key) {
  return Port{static_cast<Port::Protocol>(key >> 16), static_cast<std::uint16_t>(key)};
}

struct NodeRow {
  bool live = false;
  NodeSpec spec;  // attributes sorted by name, the last of several with one name
  DeviceBook devices{};
  std::map<std::uint32_t, std::uint32_t> ports{};  // key -> holders, the node itself included
  std::vector<std::uint32_t> tasks{};              // reservation slots
  std::uint32_t counted_tasks = 0;                 // those that are not retired

  [[nodiscard]] const Attribute* attribute(std::string_view name) const;
};

struct Reservation {
  std::uint32_t generation = 0;  // of this slot; 0 before its first use
  bool live = false;
  bool counted = true;
  std::uint32_t node = 0;
  std::uint32_t position = 0;  // in NodeRow::tasks
  Tally::Set group = 0;
  std::optional<Tally::Set> service{};
  std::shared_ptr<const Holding> holding{};
  std::vector<DeviceGrant> devices{};
};

class Books {
 public:
  Books();

  // ---- Nodes. Errors: as Engine::add_node.
  [[nodiscard]] Result<std::uint32_t> add_node(NodeSpec spec);
  [[nodiscard]] Result<std::uint32_t> change_node(std::uint32_t node, NodeSpec spec);
  void set_status(std::uint32_t node, NodeSpec::State state, bool connected);
  void remove_node(std::uint32_t node);
  [[nodiscard]] bool is_live(std::uint32_t node) const {
    return node < rows_.size() && rows_[node].live;
  }
  [[nodiscard]] const NodeRow& row(std::uint32_t node) const { return rows_[node]; }
  [[nodiscard]] std::optional<std::uint32_t> find_node(std::string_view id) const;
  [[nodiscard]] std::size_t node_count() const { return by_id_.size(); }
  // Indices below this one have or had nodes; columns and bitmaps reach to `padded()`, a multiple
  // of 64.
  [[nodiscard]] std::uint32_t node_end() const { return static_cast<std::uint32_t>(rows_.size()); }
  [[nodiscard]] std::size_t padded() const { return (rows_.size() + 63) / 64 * 64; }

  // ---- Columns
  // The column of this kind and name, made where there is none. Columns stay: names of resources
  // are few.
  [[nodiscard]] ColumnId column_id(Column::Kind kind, std::string_view name);
  [[nodiscard]] const Column& column(ColumnId id) const { return columns_[id]; }
  [[nodiscard]] std::span<const Column> columns() const { return columns_; }
  // Nodes on which the port is held, ascending.
  [[nodiscard]] std::span<const std::uint32_t> nodes_with_port(std::uint32_t key) const;
  // Whether any node ever had a device that is a part of another.
  [[nodiscard]] bool has_partitions() const { return has_partitions_; }

  // ---- Tasks
  struct Booking {
    std::uint32_t node = 0;
    std::string_view group;
    std::string_view service;  // empty: none
    std::shared_ptr<const Holding> holding;
    std::vector<DeviceGrant> devices;
  };
  ReservationId book(Booking booking);
  bool release(ReservationId id);
  bool retire(ReservationId id);
  [[nodiscard]] const Reservation* find(ReservationId id) const;

  Tally& tally() { return tally_; }
  [[nodiscard]] const Tally& tally() const { return tally_; }

  // ---- Changes of what nodes are: attributes, owner, state, existence.
  struct Changes {
    bool all = true;  // the log does not reach back so far: any node may have changed
    std::span<const std::uint32_t> nodes{};
  };
  // Those from number `seen` on, oldest first; kNothingSeen: all.
  static constexpr std::uint64_t kNothingSeen = ~std::uint64_t{0};
  [[nodiscard]] Changes changes_since(std::uint64_t seen) const;
  [[nodiscard]] std::uint64_t change_count() const { return log_begin_ + log_.size(); }

 private:
  void attach(std::uint32_t node, NodeSpec spec);
  void detach(std::uint32_t node);
  void set_total(ColumnId id, std::uint32_t node, std::int64_t total);
  void use(ColumnId id, std::uint32_t node, std::int64_t amount);
  void refresh_devices(std::uint32_t node);
  void hold_port(std::uint32_t node, std::uint32_t key);
  void free_port(std::uint32_t node, std::uint32_t key);
  void take(std::uint32_t node, const Reservation& reservation);
  void give_back(std::uint32_t node, const Reservation& reservation);
  void uncount(Reservation& reservation);
  void end(std::uint32_t slot);
  void touch(std::uint32_t node);

  std::vector<NodeRow> rows_;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free_nodes_;
  std::unordered_map<std::string, std::uint32_t> by_id_;  // looked up, never iterated
  std::vector<Column> columns_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> port_nodes_;  // likewise
  bool has_partitions_ = false;
  std::vector<Reservation> reservations_;
  std::vector<std::uint32_t> free_reservations_;
  Tally tally_;
  std::vector<std::uint32_t> log_;
  std::uint64_t log_begin_ = 0;
};

// Why a spec cannot be a node, or nothing. Checked by add_node and change_node.
[[nodiscard]] std::optional<Error> refuse_spec(const NodeSpec& spec);

}  // namespace berth::placement
