// SPDX-License-Identifier: Apache-2.0
#include "core/placement/engine.hpp"

#include <utility>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/decide.hpp"
#include "core/placement/kernels.hpp"

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
  explicit Impl(EngineOptions options) : decider(pick(options.simd)) {}

  Compiled* find(RequestId id) {
    const auto at = static_cast<std::size_t>(id);
    return at < requests.size() ? requests[at].get() : nullptr;
  }

  // Reserves for a request on a node that passes every check.
  Placement reserve(const Compiled& compiled, std::uint32_t node) {
    const OwnerPlan& plan = *plan_for(compiled, books, node);
    Placement out{.node = static_cast<NodeIndex>(node)};
    if (!plan.needs.devices.empty())
      out.devices = books.row(node).devices.choose(plan.needs.devices).value();
    out.reservation = books.book(Books::Booking{.node = node,
                                                .group = compiled.request.group,
                                                .service = compiled.request.service,
                                                .holding = plan.holding,
                                                .devices = out.devices});
    return out;
  }

  std::optional<Placement> place(Compiled& compiled, std::uint64_t dice) {
    const auto node = decider.decide(compiled, books, dice);
    if (!node) return std::nullopt;
    return reserve(compiled, *node);
  }

  std::uint32_t count(Tally::Kind kind, NodeIndex node, std::string_view name) const {
    const auto set = books.tally().find(kind, name);
    return set && books.is_live(raw(node)) ? books.tally().count(*set, raw(node)) : 0;
  }

  Books books;
  Decider decider;
  std::vector<std::unique_ptr<Compiled>> requests;
  std::vector<std::uint32_t> free_requests;
};

Engine::Engine(EngineOptions options) : impl_(std::make_unique<Impl>(options)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

// ---- Nodes

Result<NodeIndex> Engine::add_node(NodeSpec spec) {
  auto node = impl_->books.add_node(std::move(spec));
  if (!node) return node.error();
  return static_cast<NodeIndex>(*node);
}

Result<NodeIndex> Engine::change_node(NodeIndex node, NodeSpec spec) {
  auto changed = impl_->books.change_node(raw(node), std::move(spec));
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

const NodeSpec& Engine::node(NodeIndex node) const {
  static const NodeSpec kNone;
  return impl_->books.is_live(raw(node)) ? impl_->books.row(raw(node)).spec : kNone;
}

std::optional<Remaining> Engine::remaining(NodeIndex node) const {
  const Books& books = impl_->books;
  if (!books.is_live(raw(node))) return std::nullopt;
  const NodeRow& row = books.row(raw(node));
  Remaining out;
  const auto left = [&](const Column& column) {
    return column.total[raw(node)] - column.used[raw(node)];
  };
  out.cpu = left(books.column(kCpuColumn));
  out.memory_mib = left(books.column(kMemoryColumn));
  out.eni_slots = left(books.column(kEniColumn));
  for (const auto& [key, holders] : row.ports) out.ports_taken.push_back(port_of(key));
  for (const Capacity& capacity : row.spec.capacities) {
    for (const Column& column : books.columns()) {
      const bool same = column.kind == Column::Kind::Amount && column.name == capacity.name;
      if (same) out.amounts.push_back(Amount{capacity.name, left(column)});
    }
  }
  for (std::size_t i = 0; i < row.devices.devices().size(); ++i)
    out.devices.push_back(row.devices.left(i));
  out.tasks = static_cast<std::uint32_t>(row.tasks.size());
  return out;
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
  auto compiled = compile_request(request, impl_->books);
  if (!compiled) return compiled.error();
  impl_->decider.acquire(*compiled);
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
  return static_cast<RequestId>(slot);
}

bool Engine::drop(RequestId request) {
  Compiled* compiled = impl_->find(request);
  if (compiled == nullptr) return false;
  impl_->decider.release(*compiled);
  impl_->books.tally().release(compiled->counted);
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
  return impl_->reserve(*compiled, raw(node));
}

Result<ReservationId> Engine::adopt(const Adoption& adoption) {
  if (!impl_->books.is_live(raw(adoption.node))) return no_such_node();
  auto holding = compile_holding(adoption.needs, "needs.", impl_->books);
  if (!holding) return holding.error();
  return impl_->books.book(Books::Booking{.node = raw(adoption.node),
                                          .group = adoption.group,
                                          .service = adoption.service,
                                          .holding = *std::move(holding),
                                          .devices = adoption.devices});
}

bool Engine::release(ReservationId reservation) {
  return impl_->books.release(reservation);
}

bool Engine::retire(ReservationId reservation) {
  return impl_->books.retire(reservation);
}

std::optional<NodeIndex> Engine::node_of(ReservationId reservation) const {
  const Reservation* found = impl_->books.find(reservation);
  return found == nullptr ? std::nullopt : std::optional(static_cast<NodeIndex>(found->node));
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

std::uint32_t Engine::group_count(NodeIndex node, std::string_view group) const {
  return impl_->count(Tally::Kind::Group, node, group);
}

std::uint32_t Engine::service_count(NodeIndex node, std::string_view service) const {
  return impl_->count(Tally::Kind::Service, node, service);
}

}  // namespace berth::placement
