// SPDX-License-Identifier: Apache-2.0
// What goes into the placement engine and comes out of it: nodes, requests, placements, refusals.
//
// Plain values. Amounts are 0 to kMaxAmount; the engine refuses others. Names are compared byte by
// byte. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/placement/result.hpp"

namespace berth::placement {

// Handles. An index that its owner gave back may be given out again; a ReservationId never is.
enum class NodeIndex : std::uint32_t {};
enum class RequestId : std::uint32_t {};
enum class LeaversId : std::uint32_t {};
enum class ReservationId : std::uint64_t { None = 0 };

inline constexpr std::int64_t kMaxAmount = std::int64_t{1} << 30;

// Where spread and Request::zones read a node's zone.
inline constexpr std::string_view kZoneAttribute = "ecs.availability-zone";

struct Port {
  enum class Protocol : std::uint8_t { Tcp, Udp };
  Protocol protocol = Protocol::Tcp;
  std::uint16_t number = 0;
  auto operator<=>(const Port&) const = default;
};

struct Attribute {
  std::string name;
  std::string value{};  // empty: a name alone
  auto operator<=>(const Attribute&) const = default;
};

// ---- Nodes
// ---------------------------------------------------------------------------------------

// A counter or shared pool of a node, by a name of the vendor's own.
struct Capacity {
  std::string name;
  std::int64_t total = 0;
  std::int64_t per_task_limit = 0;  // 0: none
};

struct Device {
  std::string id;    // unique within the node
  std::string type;  // "GPU"
  std::string model{};
  std::int64_t memory_mib = 0;   // 0: not divided by memory
  std::int64_t share_milli = 0;  // thousandths that may be given away; 0: whole only
  std::string parent{};  // id of the device it is a partition of: only one of the two is ever given
  bool healthy = true;   // an unhealthy device keeps its tasks and gets no new ones
  std::string numa{};    // its NUMA node; devices of one are close
  std::string link{};    // devices with the same are linked directly; empty: with none
};

// A place where tasks run, whole: what it offers in all, not what is left.
struct NodeSpec {
  enum class State : std::uint8_t { Active, Draining };

  std::string id;                   // unique within the engine
  std::string owner;                // the launch type plugin whose node it is
  std::string capacity_provider{};  // empty: none
  State state = State::Active;
  bool connected = true;  // can be told to start tasks now
  std::int64_t cpu = 0;   // units, 1024 are one vCPU
  std::int64_t memory_mib = 0;
  std::int64_t eni_slots = 0;
  std::vector<Port> reserved_ports{};  // that no task gets
  std::vector<Capacity> capacities{};
  std::vector<Device> devices{};
  std::vector<Attribute> attributes{};

  // Read by memberOf expressions only.
  std::string ec2_instance_id{};
  std::string agent_version{};
  std::int64_t registered_at_ms = 0;  // since the Unix epoch
};

// ---- Requests
// ------------------------------------------------------------------------------------

struct Amount {
  std::string name;
  std::int64_t value = 0;
};

// Whole devices (count > 0), or a part of one (share_milli or memory_mib > 0 and count 0).
struct DeviceNeed {
  std::string type;
  std::int64_t count = 0;
  std::int64_t share_milli = 0;
  std::int64_t memory_mib = 0;  // of the part; of a whole device: that it has at least so much
  std::string model{};          // empty: any
};

// What one task takes of its node.
struct Needs {
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int64_t eni_slots = 0;
  std::vector<Port> ports{};  // fixed host ports
  std::vector<Amount> amounts{};
  std::vector<DeviceNeed> devices{};
  std::vector<Attribute>
      attributes{};  // that the node must have; with an empty value: whatever its value
};

// Several plugins may serve one launch type; each states its own needs for the same task.
struct OwnerNeeds {
  std::string owner;
  Needs needs;
};

struct Constraint {
  enum class Kind : std::uint8_t { DistinctInstance, MemberOf };
  Kind kind = Kind::MemberOf;
  std::string expression{};  // cluster query language, for MemberOf
};

struct Strategy {
  enum class Kind : std::uint8_t {
    Random,
    SpreadInstance,
    SpreadAttribute,
    BinpackCpu,
    BinpackMemory,
    // Beyond ECS: each keeps the nodes with the highest score (README.md, "Scores").
    BestFit,
    DotProduct,
    L2Fit,
    GpuPacking,
    GpuClustering,
    Fragmentation,  // expects Engine::set_target_workload
    Affinity        // by Request::affinity
  };
  // Bits of `measured`.
  static constexpr std::uint8_t kCpu = 1;
  static constexpr std::uint8_t kMemory = 2;
  static constexpr std::uint8_t kDevices = 4;
  static constexpr std::uint8_t kAll = kCpu | kMemory | kDevices;
  static constexpr std::int32_t kDefaultLevels = 100;
  static constexpr std::int32_t kMaxLevels = 100'000;

  Kind kind = Kind::Random;
  std::string attribute{};  // of SpreadAttribute, without "attribute:"
  // How many scores there are at most, 2 to 100,000; of BestFit, DotProduct and Fragmentation.
  std::int32_t levels = kDefaultLevels;
  std::uint8_t measured = kAll;  // what BestFit, DotProduct and L2Fit look at; not 0
  auto operator<=>(const Strategy&) const = default;

  [[nodiscard]] bool is_scored() const { return kind >= Kind::BestFit; }
  [[nodiscard]] bool has_levels() const {
    return kind == Kind::BestFit || kind == Kind::DotProduct || kind == Kind::Fragmentation;
  }
  [[nodiscard]] bool is_measured() const {
    return kind == Kind::BestFit || kind == Kind::DotProduct || kind == Kind::L2Fit;
  }
};

// The strategy that ECS's `type` and `field` mean; type and the fields instanceId, host, cpu,
// memory in any case. Errors: Invalid, `what` is "type" or "field".
[[nodiscard]] Result<Strategy> parse_strategy(std::string_view type, std::string_view field);
// The same, and those beyond ECS for whom the caller allows them: bestFit, dotProduct, l2,
// gpuPacking, gpuClustering, fragmentation, affinity, in any case. Their field is a list, empty for
// the defaults: `cpu`, `memory`, `devices` (what is measured; none: all three) and
// `levels:<number>`, parted by commas. Errors: as parse_strategy.
[[nodiscard]] Result<Strategy> parse_extended_strategy(std::string_view type,
                                                       std::string_view field);
// ECS's spelling: "spread", "attribute:ecs.availability-zone".
[[nodiscard]] std::string_view strategy_type(const Strategy& strategy);
[[nodiscard]] std::string strategy_field(const Strategy& strategy);

// Without any: services spread over zones, then instances; a task alone goes anywhere at random.
[[nodiscard]] std::vector<Strategy> service_default_strategies();
[[nodiscard]] std::vector<Strategy> run_task_default_strategies();

// Soft affinity: an expression that a node had better satisfy.
struct AffinityTerm {
  std::string expression;   // cluster query language
  std::int32_t weight = 0;  // -1000 to 1000, not 0; negative: had better not (anti-affinity)
};

// All tasks of one kind: what Engine::compile makes ready once.
struct Request {
  std::string group;  // ECS's group, "family:web" or "service:web": what task:group matches
  std::string
      service{};  // of a service's tasks: spread and distinctInstance count these, else the group's
  std::vector<OwnerNeeds> needs;     // nodes of owners not listed are no candidates
  std::string capacity_provider{};   // empty: nodes of any or none; else of this one only
  std::vector<std::string> zones{};  // empty: any
  std::vector<Constraint>
      constraints{};                   // the definition's and the call's: all must hold, at most 10
  std::vector<Strategy> strategies{};  // at most 5; none: the default (see above) by `service`
  std::vector<AffinityTerm> affinity{};  // at most 10; where the strategy Affinity is used
};

// Tasks that are expected to come, for the strategy Fragmentation: a class of equal ones.
struct ExpectedTask {
  std::int64_t cpu = 0;
  std::int32_t devices = 0;           // 0: none
  std::int32_t share_milli = 0;       // of each device: 1000 whole; less with one device only
  std::vector<std::string> models{};  // that are accepted; empty: any
  std::int64_t weight = 1;            // how many come for each of another class
};

inline constexpr std::size_t kMaxConstraints = 10;
inline constexpr std::size_t kMaxStrategies = 5;
inline constexpr std::size_t kMaxExpression = 2000;  // characters

// Which tasks of a set should stop.
struct StopQuestion {
  // Those that may be stopped, each once. Of tasks that tie the one that comes first here is
  // chosen: hand the newest first, or the oldest, as you would have it.
  std::span<const ReservationId> candidates{};
  std::size_t count = 1;
  std::uint64_t dice = 0;  // only Random looks at it
};

// A task that may be stopped. Of those that tie the one with the greatest rank goes first; ranks of
// one set of leavers differ.
struct LeaverRank {
  std::int64_t at = 0;
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const LeaverRank&) const = default;
};
struct Leaver {
  ReservationId id = ReservationId::None;
  LeaverRank rank{};
  bool operator==(const Leaver&) const = default;
};
struct LeaversQuestion {
  std::size_t count = 1;
  std::uint64_t dice = 0;  // only Random looks at it
};

// ---- Answers
// -------------------------------------------------------------------------------------

struct DeviceGrant {
  std::uint32_t need = 0;  // index into Needs::devices
  std::string device_id;
  std::int64_t share_milli = 0;  // 0 with whole devices
  std::int64_t memory_mib = 0;   // of a part
  bool whole = true;
  auto operator<=>(const DeviceGrant&) const = default;
};

// One task's place, reserved.
struct Placement {
  ReservationId reservation = ReservationId::None;
  NodeIndex node{};
  std::vector<DeviceGrant> devices{};  // by need, then by device in the node's order
};

// Why a node does not take a task: the first check that fails, in this order.
enum class Reason : std::uint8_t {
  Owner,     // not of a listed owner, or of another capacity provider: no candidate at all
  Inactive,  // draining
  Agent,     // not connected
  Location,
  Attribute,
  Cpu,
  Memory,
  Ports,
  Eni,
  Device,  // RESOURCE:<type of the first device need that is not met>
  Amount,  // RESOURCE:<name of the first amount that is not met>
  MemberOf,
  DistinctInstance,
};
inline constexpr std::size_t kReasons = 13;

struct Refusal {
  NodeIndex node{};
  Reason reason = Reason::Owner;
  std::string subject{};    // the attribute, resource, device type, port or expression at fault
  std::int64_t needed = 0;  // with Cpu, Memory, Eni, Amount
  std::int64_t available = 0;

  // ECS's word for failures[].reason: "RESOURCE:CPU", "AGENT", "MemberOf placement constraint
  // unsatisfied.", ...
  [[nodiscard]] std::string ecs_reason() const;
  // A sentence for failures[].detail and for people: "needs 512 cpu units, 128 are left".
  [[nodiscard]] std::string detail() const;
};

// What each node says to a request, now.
struct Explanation {
  std::vector<NodeIndex> fitting;  // in node order
  std::vector<Refusal> refusals;   // in node order; nodes with Reason::Owner are not among them
};

// What is left of a node, and what it has.
struct DeviceLeft {
  std::string id;
  std::string type;
  std::int64_t share_milli = 0;  // left; 0 once it is given whole
  std::int64_t memory_mib = 0;
  bool whole = false;  // may be given whole: healthy, and no part of it (or of its parent or
                       // partitions) is in use
};
struct Remaining {
  // Negative where a node shrank below what its tasks hold.
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int64_t eni_slots = 0;
  std::vector<Port> ports_taken{};  // by tasks and by the node itself, ascending
  std::vector<Amount> amounts{};    // by name
  std::vector<DeviceLeft> devices{};
  std::uint32_t tasks = 0;  // reservations, retired ones included
};

}  // namespace berth::placement
