// SPDX-License-Identifier: Apache-2.0
#include "core/placement/engine.hpp"

#include <optional>
#include <utility>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/decide.hpp"
#include "core/placement/kernels.hpp"
#include "core/placement/leavers.hpp"
#include "core/placement/remaining.hpp"
#include "core/placement/scale_in.hpp"
#include "core/placement/viewer.hpp"

namespace berth::placement {
namespace {

const Kernels& pick(EngineOptions::Simd simd) {
  using Simd = EngineOptions::Simd;
  const bool any = simd == Simd::Auto;
  if (const Kernels* wide = avx512_kernels(); wide != nullptr && (any || simd == Simd::Avx512))
    return *wide;
  if (const Kernels* half = avx2_kernels(); half != nullptr && (any || simd == Simd::Avx2))
    return *half;
  return scalar_kernels();
}

std::uint32_t raw(NodeIndex node) {
  return static_cast<std::uint32_t>(node);
}

Error no_such_node() {
  return Error{Error::Code::NotFound, "There is no such node.", "node"};
}

}  // namespace

class Engine::Impl {
 public:
  explicit Impl(EngineOptions options)
      : books(options.advise_memory),
        decider(
            pick(options.simd), books,
            {.counts_cap_bytes = options.cache_bytes, .scan_up_to_nodes = options.scan_up_to_nodes},
            {.cache_bytes = options.score_cache_bytes,
             .device_type = std::move(options.scored_device_type)}) {}

  Compiled* find(RequestId id) {
    const auto at = static_cast<std::size_t>(id);
    return at < requests.size() ? requests[at].get() : nullptr;
  }

  // Reserves for a request on a node that passes every check of this plan.
  Placement reserve(const Compiled& compiled, std::size_t plan, std::uint32_t node) {
    Placement out{.node = static_cast<NodeIndex>(node)};
    const PlanFloors& floors = compiled.floors(plan);
    if (floors.has_devices) out.devices = decider.scored().scorer().devices(compiled, plan, node);
    out.reservation = books.book({.node = node, .kind = floors.kind, .devices = out.devices});
    return out;
  }

  std::optional<Placement> place(Compiled& compiled, std::uint64_t dice) {
    const auto node = decider.decide(compiled, dice);
    if (!node) return std::nullopt;
    return reserve(compiled, verdict_of(compiled, books, *node) - Verdicts::kFirstPlan, *node);
  }

  Leavers* find(LeaversId id) {
    const auto at = static_cast<std::size_t>(id);
    return at < leavers.size() ? leavers[at].get() : nullptr;
  }

  std::uint32_t count(Tally::Kind kind, NodeIndex node, std::string_view name) const {
    const auto set = books.tally().find(kind, name);
    return set && books.is_live(raw(node)) ? books.count(kind, *set, raw(node)) : 0;
  }

  Books books;
  Decider decider;
  std::optional<Viewer> viewer;  // once somebody asked for a view
  std::vector<std::unique_ptr<Compiled>> requests;
  std::vector<std::uint32_t> free_requests;
  std::vector<std::unique_ptr<Leavers>> leavers;
  std::vector<std::uint32_t> free_leavers;
};

Engine::Engine(EngineOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

// ---- Nodes

Result<NodeIndex> Engine::add_node(const NodeSpec& spec) {
  auto node = impl_->books.add_node(spec);
  if (!node) return node.error();
  return static_cast<NodeIndex>(*node);
}

Result<NodeIndex> Engine::change_node(NodeIndex node, const NodeSpec& spec) {
  auto changed = impl_->books.change_node(raw(node), spec);
  if (!changed) return changed.error();
  return node;
}

bool Engine::set_status(NodeIndex node, NodeStatus status) {
  if (!impl_->books.is_live(raw(node))) return false;
  impl_->books.set_status(raw(node), status.state, status.connected);
  return true;
}

bool Engine::remove_node(NodeIndex node) {
  if (!impl_->books.is_live(raw(node))) return false;
  impl_->books.remove_node(raw(node));
  return true;
}

std::optional<NodeIndex> Engine::find_node(std::string_view id) const {
  const auto node = impl_->books.find_node(id);
  return node ? std::optional(static_cast<NodeIndex>(*node)) : std::nullopt;
}

NodeSpec Engine::node(NodeIndex node) const {
  return impl_->books.is_live(raw(node)) ? impl_->books.spec(raw(node)) : NodeSpec{};
}

std::string_view Engine::node_id(NodeIndex node) const {
  return impl_->books.is_live(raw(node)) ? impl_->books.identity(raw(node)).id.view()
                                         : std::string_view{};
}

std::optional<Remaining> Engine::remaining(NodeIndex node) const {
  if (!impl_->books.is_live(raw(node))) return std::nullopt;
  return remaining_of(impl_->books, raw(node));
}

std::vector<NodeIndex> Engine::nodes() const {
  std::vector<NodeIndex> out;
  out.reserve(node_count());
  for (std::uint32_t node = 0; node < impl_->books.node_end(); ++node) {
    if (impl_->books.is_live(node)) out.push_back(static_cast<NodeIndex>(node));
  }
  return out;
}

std::size_t Engine::node_count() const {
  return impl_->books.node_count();
}

// ---- Requests

Result<RequestId> Engine::compile(const Request& request) {
  Scorer& scorer = impl_->decider.scored().scorer();
  if (auto error = scorer.refuse(request)) return *std::move(error);
  auto compiled = compile_request(request, impl_->books);
  if (!compiled) return compiled.error();
  compiled->scored = scorer.prepare(request);
  auto& slots = impl_->requests;
  std::uint32_t slot = 0;
  if (impl_->free_requests.empty()) {
    slot = static_cast<std::uint32_t>(slots.size());
    slots.emplace_back();
  } else {
    slot = impl_->free_requests.back();
    impl_->free_requests.pop_back();
  }
  slots[slot] = std::make_unique<Compiled>(*std::move(compiled));
  impl_->decider.came(*slots[slot]);
  return static_cast<RequestId>(slot);
}

std::optional<Error> Engine::set_target_workload(const std::vector<ExpectedTask>& tasks) {
  return impl_->decider.scored().scorer().set_target(tasks);
}

bool Engine::drop(RequestId request) {
  Compiled* compiled = impl_->find(request);
  if (compiled == nullptr) return false;
  impl_->decider.scored().drop(*compiled);
  impl_->decider.went(*compiled);
  drop_request(*compiled, impl_->books);
  for (const Tally::Slot slot : compiled->slots) {
    if (impl_->books.tally().values_at(slot) == nullptr) impl_->decider.forget(slot);
  }
  const auto slot = static_cast<std::uint32_t>(request);
  impl_->requests[slot].reset();
  impl_->free_requests.push_back(slot);
  return true;
}

// ---- Decisions

std::optional<Placement> Engine::place(RequestId request, std::uint64_t dice) {
  Compiled* compiled = impl_->find(request);
  return compiled == nullptr ? std::nullopt : impl_->place(*compiled, dice);
}

std::vector<Placement> Engine::place_many(RequestId request, std::size_t count,
                                          std::uint64_t dice) {
  std::vector<Placement> out;
  for (std::size_t i = 0; i < count; ++i) {
    auto placed = place(request, dice + i);
    if (!placed) break;
    out.push_back(*std::move(placed));
  }
  return out;
}

Result<Placement, Refusal> Engine::place_on(RequestId request, NodeIndex node) {
  const Compiled* compiled = impl_->find(request);
  if (compiled == nullptr || !impl_->books.is_live(raw(node))) return Refusal{.node = node};
  if (const auto finding = check(*compiled, impl_->books, raw(node))) {
    return refusal_of(*compiled, impl_->books, raw(node), *finding);
  }
  const OwnerPlan* plan = plan_for(*compiled, impl_->books, raw(node));
  return impl_->reserve(*compiled, static_cast<std::size_t>(plan - compiled->owners.data()),
                        raw(node));
}

Result<ReservationId> Engine::adopt(const Adoption& adoption) {
  if (!impl_->books.is_live(raw(adoption.node))) return no_such_node();
  Books& books = impl_->books;
  const auto holding = compile_holding(adoption.needs, "needs.", books);
  if (!holding) return holding.error();
  const Tally::Set group = books.tally().acquire(Tally::Kind::Group, adoption.group);
  Tally::Set service = Tally::kNoSet;
  if (!adoption.service.empty())
    service = books.tally().acquire(Tally::Kind::Service, adoption.service);
  const std::uint32_t kind = books.acquire_kind(group, service, *holding);
  const ReservationId out =
      books.book({.node = raw(adoption.node), .kind = kind, .devices = adoption.devices});
  // The task shares them now.
  books.release_kind(kind);
  books.holdings().release(*holding);
  books.tally().release(group);
  if (service != Tally::kNoSet) books.tally().release(service);
  return out;
}

bool Engine::release(ReservationId reservation) {
  return impl_->books.release(reservation);
}

bool Engine::retire(ReservationId reservation) {
  return impl_->books.retire(reservation);
}

std::optional<NodeIndex> Engine::node_of(ReservationId reservation) const {
  if (impl_->books.find(reservation) == nullptr) return std::nullopt;
  return static_cast<NodeIndex>(Books::node_of(reservation));
}

// ---- Questions

Explanation Engine::explain(RequestId request) const {
  Explanation out;
  const Compiled* compiled = impl_->find(request);
  if (compiled == nullptr) return out;
  const Books& books = impl_->books;
  for (std::uint32_t node = 0; node < books.node_end(); ++node) {
    if (!books.is_live(node)) continue;
    const auto finding = check(*compiled, books, node);
    if (!finding) {
      out.fitting.push_back(static_cast<NodeIndex>(node));
    } else if (finding->reason != Reason::Owner) {
      out.refusals.push_back(refusal_of(*compiled, books, node, *finding));
    }
  }
  return out;
}

std::vector<NodeIndex> Engine::what_if(RequestId request, std::size_t count, std::uint64_t dice) {
  const std::vector<Placement> placed = place_many(request, count, dice);
  std::vector<NodeIndex> out;
  out.reserve(placed.size());
  for (const Placement& one : placed) {
    out.push_back(one.node);
    impl_->books.release(one.reservation);
  }
  return out;
}

std::vector<ReservationId> Engine::choose_to_stop(RequestId request,
                                                  const StopQuestion& question) const {
  const Compiled* compiled = impl_->find(request);
  if (compiled == nullptr) return {};
  return placement::choose_to_stop(*compiled, impl_->books, question);
}

LeaversId Engine::make_leavers() {
  Impl& impl = *impl_;
  auto made = std::make_unique<Leavers>(impl.books,
                                        [&impl](Tally::Slot slot) { impl.decider.forget(slot); });
  if (impl.free_leavers.empty()) {
    impl.leavers.push_back(std::move(made));
    return static_cast<LeaversId>(impl.leavers.size() - 1);
  }
  const std::uint32_t slot = impl.free_leavers.back();
  impl.free_leavers.pop_back();
  impl.leavers[slot] = std::move(made);
  return static_cast<LeaversId>(slot);
}

void Engine::drop_leavers(LeaversId leavers) {
  if (impl_->find(leavers) == nullptr) return;
  const auto slot = static_cast<std::uint32_t>(leavers);
  impl_->leavers[slot].reset();
  impl_->free_leavers.push_back(slot);
}

bool Engine::add_leaver(LeaversId leavers, const Leaver& leaver) {
  Leavers* all = impl_->find(leavers);
  return all != nullptr && all->add(leaver);
}

void Engine::remove_leaver(LeaversId leavers, const Leaver& leaver) {
  if (Leavers* all = impl_->find(leavers)) all->remove(leaver);
}

std::vector<Leaver> Engine::choose_to_stop(RequestId request, LeaversId leavers,
                                           const LeaversQuestion& question) {
  const Compiled* compiled = impl_->find(request);
  Leavers* all = impl_->find(leavers);
  if (compiled == nullptr || all == nullptr) return {};
  return all->choose(*compiled, question);
}

std::shared_ptr<const View> Engine::view() {
  if (!impl_->viewer) impl_->viewer.emplace(impl_->books);
  return impl_->viewer->view();
}

std::uint32_t Engine::group_count(NodeIndex node, std::string_view group) const {
  return impl_->count(Tally::Kind::Group, node, group);
}

std::uint32_t Engine::service_count(NodeIndex node, std::string_view service) const {
  return impl_->count(Tally::Kind::Service, node, service);
}

MemoryUse Engine::memory() const {
  const Books::Memory books = impl_->books.memory();
  const Scored& scored = impl_->decider.scored();
  MemoryUse out{.nodes = books.nodes + impl_->decider.index_bytes() + scored.index_bytes(),
                .tasks = books.tasks,
                .groups = impl_->books.tally().bytes(),
                .caches = impl_->books.tally().counts_bytes() + scored.cache_bytes()};
  for (const auto& compiled : impl_->requests) {
    if (compiled == nullptr) continue;
    out.groups += sizeof(Compiled) + compiled->owners.capacity() * sizeof(OwnerPlan) +
                  compiled->verdicts.bytes() +
                  compiled->identities.capacity() * sizeof(std::uint64_t) +
                  (compiled->scored == nullptr ? 0 : compiled->scored->bytes());
  }
  return out;
}

DecisionCounts Engine::decision_counts() const {
  const auto& statistics = impl_->decider.statistics();
  return {.decisions = statistics.decisions,
          .scans = statistics.scans,
          .one_pass = statistics.one_pass};
}

}  // namespace berth::placement
