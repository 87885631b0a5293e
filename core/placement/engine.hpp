// SPDX-License-Identifier: Apache-2.0
// Engine: where tasks go. The nodes of one cluster, what their tasks hold, and exact decisions
// about the next task.
//
// Invariants:
//  1. What place and place_on grant is never granted twice: no amount below zero, no port or device
//  to two tasks.
//  2. A decision equals that of an exhaustive search: of the nodes that pass every check, each
//  strategy in turn keeps
//     those with its best value, and of the rest the node lowest in *node order* is taken. Node
//     order is NodeIndex; a new node gets the lowest index that is free. So equal histories give
//     equal decisions.
//  3. Nothing is drawn inside: Random's choice is a function of `dice` and the candidates
//  (README.md, "Random").
// Threads: one at a time; nothing blocks. Errors: Error::Code as each function says; bad handles
// are NotFound or false, never undefined. Owns: all it is given by value; views are valid until the
// next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/placement/result.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

class View;  // view.hpp

struct EngineOptions {
  // Which instructions the scans use; Auto takes the widest that this processor has. All give equal
  // answers.
  enum class Simd : std::uint8_t { Auto, Scalar, Avx2, Avx512 };
  Simd simd = Simd::Auto;
  // Up to so many nodes a scan decides what it can decide in one pass: it is about as fast there,
  // and indexes that nobody asks cost nothing.
  std::uint32_t scan_up_to_nodes = 1536;
  // What counts of tasks by node may take, for groups and services that run on very many nodes and
  // are spread over instances; beyond it such a decision costs a scan.
  std::size_t cache_bytes = std::size_t{256} << 20;
  // What scores of nodes may take, about 5 bytes for each node and each scored strategy of each
  // request; beyond it those not asked for longest are made anew when they are asked again.
  std::size_t score_cache_bytes = std::size_t{64} << 20;
  // Called with memory that is about to hold what grows with the cluster: from 8 MiB on, at
  // multiples of 2 MiB. It may ask for huge pages and must not throw. Null: none is asked.
  void (*advise_memory)(void* at, std::size_t bytes) = nullptr;
  // The type of the devices that scores look at; others only have to suffice.
  std::string scored_device_type = "GPU";
};

// A task that already runs, or is already decided: its place is a fact and not a question.
struct Adoption {
  NodeIndex node{};
  Needs needs;
  std::string group;
  std::string service{};
  std::vector<DeviceGrant> devices{};
};

// Bytes of the heap.
struct MemoryUse {
  std::size_t nodes = 0;   // and their indexes
  std::size_t tasks = 0;   // reservations
  std::size_t groups = 0;  // requests and sets of tasks
  std::size_t caches = 0;  // what EngineOptions::cache_bytes and score_cache_bytes bound
};

struct DecisionCounts {
  std::uint64_t decisions = 0;
  std::uint64_t scans = 0;     // of these, those that no index and no table of scores decided
  std::uint64_t one_pass = 0;  // of the scans, those of EngineOptions::scan_up_to_nodes
};

class Engine {
 public:
  explicit Engine(EngineOptions options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // ---- Nodes
  // Errors: AlreadyExists (the id), Invalid (an amount out of range, a device twice; `what` names
  // it).
  [[nodiscard]] Result<NodeIndex> add_node(const NodeSpec& spec);
  // Replaces all that is known of the node; its tasks keep what they hold, even where it shrank
  // below that. Errors: NotFound, Invalid (as add_node; also another id).
  [[nodiscard]] Result<NodeIndex> change_node(NodeIndex node, const NodeSpec& spec);
  struct NodeStatus {
    NodeSpec::State state = NodeSpec::State::Active;
    bool connected = true;
  };
  // False: no such node.
  bool set_status(NodeIndex node, NodeStatus status);
  // The node goes and its reservations with it: their ids become unknown. False: no such node.
  bool remove_node(NodeIndex node);
  [[nodiscard]] std::optional<NodeIndex> find_node(std::string_view id) const;
  // The spec as last given, attributes by name; an empty one (id "") where there is no such node.
  [[nodiscard]] NodeSpec node(NodeIndex node) const;
  // Valid until the node goes.
  [[nodiscard]] std::string_view node_id(NodeIndex node) const;
  [[nodiscard]] std::optional<Remaining> remaining(NodeIndex node) const;
  [[nodiscard]] std::vector<NodeIndex> nodes() const;  // in node order
  [[nodiscard]] std::size_t node_count() const;

  // ---- Requests
  // Makes a request ready; do it once per task group (or service deployment) and keep the handle.
  // Errors: Invalid (`what` is the member, `position` the place in an expression).
  [[nodiscard]] Result<RequestId> compile(const Request& request);
  // What the strategy Fragmentation measures by: the tasks that are expected, devices of
  // scored_device_type. All that is decided from now on goes by it. Errors: Invalid (`what` as
  // "tasks[2].share_milli"; or "tasks", where they are none while requests use Fragmentation, over
  // 4096, or name over 31 models); then the one before stays.
  [[nodiscard]] std::optional<Error> set_target_workload(const std::vector<ExpectedTask>& tasks);
  // Reservations made for it live on. False: no such request.
  bool drop(RequestId request);

  // ---- Decisions. `dice` is any number, best from a seeded generator; only Random looks at it.
  // Decides and reserves; nothing where no node fits (ask explain why) or the request is unknown.
  [[nodiscard]] std::optional<Placement> place(RequestId request, std::uint64_t dice);
  // The same `count` times, the i-th with dice + i, each seeing the ones before; stops at the first
  // that fits nowhere.
  [[nodiscard]] std::vector<Placement> place_many(RequestId request, std::size_t count,
                                                  std::uint64_t dice);
  // Reserves on this node if it passes every check of the request (StartTask; strategies do not
  // matter). An unknown node or request is refused with Reason::Owner.
  [[nodiscard]] Result<Placement, Refusal> place_on(RequestId request, NodeIndex node);
  // Books a task where it is, unchecked: after a restart, or when its node comes back. Grants of
  // devices that the node does not have now count once it has. Errors: NotFound (node), Invalid
  // (amounts).
  [[nodiscard]] Result<ReservationId> adopt(const Adoption& adoption);
  // Gives back all that the task holds. False: unknown, for instance because its node was removed.
  bool release(ReservationId reservation);
  // The task is to stop: spread, distinctInstance, task:group and runningTasksCount no longer count
  // it, but it holds its resources until release. False: unknown. Twice is once.
  bool retire(ReservationId reservation);
  [[nodiscard]] std::optional<NodeIndex> node_of(ReservationId reservation) const;

  // ---- Questions: they reserve nothing and change no later answer.
  // For each node whether the request fits, or the first check that fails; empty where the request
  // is unknown.
  [[nodiscard]] Explanation explain(RequestId request) const;
  // Where place_many would put them.
  [[nodiscard]] std::vector<NodeIndex> what_if(RequestId request, std::size_t count,
                                               std::uint64_t dice);
  // Which tasks of the request's set (its service, else its group) to stop, the first one first:
  // each strategy in turn keeps those on the value or instance that runs the most of the set, or on
  // the instance with the most left of the resource once the task is gone; Random keeps the one
  // with the greatest draw. Each is chosen with the books as they will be after the ones before.
  // Tasks that are no candidates (protected ones) count and stay; candidates that are unknown,
  // retired or of another set are passed by. Empty where the request is unknown.
  [[nodiscard]] std::vector<ReservationId> choose_to_stop(RequestId request,
                                                          const StopQuestion& question) const;
  // The same question for tasks that the engine keeps in order, so that an answer costs what has
  // changed since the last one (but all of them with Random). Requires, of the caller: a task that
  // ends, or may stop no more, is taken out by remove_leaver with the rank that it had.
  [[nodiscard]] LeaversId make_leavers();
  void drop_leavers(LeaversId leavers);
  // False: there is no such task, or it is retired.
  bool add_leaver(LeaversId leavers, const Leaver& leaver);
  void remove_leaver(LeaversId leavers, const Leaver& leaver);
  [[nodiscard]] std::vector<Leaver> choose_to_stop(RequestId request, LeaversId leavers,
                                                   const LeaversQuestion& question);
  // The nodes as they are now, for readers on other threads: it never changes. Cost: the nodes that
  // changed since the last one was asked for; the same again where none did.
  [[nodiscard]] std::shared_ptr<const View> view();
  // Tasks that count (not retired) of a group, or of a service: on a node.
  [[nodiscard]] std::uint32_t group_count(NodeIndex node, std::string_view group) const;
  [[nodiscard]] std::uint32_t service_count(NodeIndex node, std::string_view service) const;
  // Views aside.
  [[nodiscard]] MemoryUse memory() const;
  [[nodiscard]] DecisionCounts decision_counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::placement
