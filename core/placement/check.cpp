// SPDX-License-Identifier: Apache-2.0
// The checks of one node, in the order of Reason.
#include <algorithm>
#include <utility>

#include "core/placement/compiled.hpp"

namespace berth::placement {
namespace {

// A node as an expression sees it.
class RowFacts final : public NodeFacts {
 public:
  RowFacts(const Books& books, std::uint32_t node)
      : books_(books), node_(node), row_(books.row(node)) {}

  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view name) const override {
    const Attribute* found = row_.attribute(name);
    return found == nullptr ? std::nullopt : std::optional<std::string_view>(found->value);
  }
  [[nodiscard]] bool agent_connected() const override { return row_.spec.connected; }
  [[nodiscard]] std::string_view agent_version() const override { return row_.spec.agent_version; }
  [[nodiscard]] std::string_view ec2_instance_id() const override {
    return row_.spec.ec2_instance_id;
  }
  [[nodiscard]] std::int64_t registered_at_ms() const override {
    return row_.spec.registered_at_ms;
  }
  [[nodiscard]] std::int64_t running_tasks() const override { return row_.counted_tasks; }
  [[nodiscard]] bool any_group(const GroupTest& test) const override {
    const Tally& tally = books_.tally();
    for (const Tally::Count& count : tally.sets_on(node_)) {
      if (tally.kind(count.key) == Tally::Kind::Group && test(tally.name(count.key))) return true;
    }
    return false;
  }

 private:
  const Books& books_;
  std::uint32_t node_;
  const NodeRow& row_;
};

std::optional<Finding> find_missing_attribute(const Needs& needs, const NodeRow& row) {
  for (std::size_t i = 0; i < needs.attributes.size(); ++i) {
    const Attribute& wanted = needs.attributes[i];
    const Attribute* found = row.attribute(wanted.name);
    const bool holds = found != nullptr && (wanted.value.empty() || wanted.value == found->value);
    if (!holds) return Finding{Reason::Attribute, i};
  }
  return std::nullopt;
}

bool in_zones(const std::vector<std::string>& zones, const NodeRow& row) {
  if (zones.empty()) return true;
  const Attribute* zone = row.attribute(kZoneAttribute);
  return zone != nullptr && std::find(zones.begin(), zones.end(), zone->value) != zones.end();
}

// What the node is, before anything about amounts.
std::optional<Finding> check_node(const Compiled& compiled, const OwnerPlan* plan,
                                  const NodeRow& row) {
  const Request& request = compiled.request;
  const bool candidate =
      plan != nullptr && (request.capacity_provider.empty() ||
                          request.capacity_provider == row.spec.capacity_provider);
  if (!candidate) return Finding{Reason::Owner};
  if (row.spec.state != NodeSpec::State::Active) return Finding{Reason::Inactive};
  if (!row.spec.connected) return Finding{Reason::Agent};
  if (!in_zones(request.zones, row)) return Finding{Reason::Location};
  return find_missing_attribute(plan->needs, row);
}

std::int64_t limit_of(const NodeRow& row, std::string_view name) {
  for (const Capacity& capacity : row.spec.capacities) {
    if (capacity.name == name) return capacity.per_task_limit;
  }
  return 0;
}

bool within_limit(const NodeRow& row, const Amount& amount) {
  const std::int64_t limit = limit_of(row, amount.name);
  return limit == 0 || amount.value <= limit;
}

std::int64_t free_of(const Books& books, Column::Kind kind, std::string_view name,
                     std::uint32_t node) {
  for (const Column& column : books.columns()) {
    if (column.kind == kind && column.name == name) return column.total[node] - column.used[node];
  }
  return 0;
}

std::int64_t free_of(const Books& books, ColumnId id, std::uint32_t node) {
  const Column& column = books.column(id);
  return column.total[node] - column.used[node];
}

std::optional<Finding> check_resources(const OwnerPlan& plan, const Books& books,
                                       std::uint32_t node) {
  const Needs& needs = plan.needs;
  const NodeRow& row = books.row(node);
  const auto lacks = [&](ColumnId column, std::int64_t need) {
    return need > 0 && free_of(books, column, node) < need;
  };
  if (lacks(kCpuColumn, needs.cpu)) return Finding{Reason::Cpu};
  if (lacks(kMemoryColumn, needs.memory_mib)) return Finding{Reason::Memory};
  for (std::size_t i = 0; i < plan.holding->ports.size(); ++i) {
    if (row.ports.contains(plan.holding->ports[i])) return Finding{Reason::Ports, i};
  }
  if (lacks(kEniColumn, needs.eni_slots)) return Finding{Reason::Eni};
  for (std::size_t i = 0; i < needs.devices.size(); ++i) {
    if (!row.devices.choose(std::span(needs.devices).first(i + 1)))
      return Finding{Reason::Device, i};
  }
  for (std::size_t i = 0; i < needs.amounts.size(); ++i) {
    const Amount& amount = needs.amounts[i];
    const bool holds = amount.value == 0 ||
                       (within_limit(row, amount) &&
                        free_of(books, Column::Kind::Amount, amount.name, node) >= amount.value);
    if (!holds) return Finding{Reason::Amount, i};
  }
  return std::nullopt;
}

bool is_lasting(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                std::uint32_t node) {
  if (!books.is_live(node)) return false;
  const NodeRow& row = books.row(node);
  if (row.spec.owner != plan.owner || check_node(compiled, &plan, row)) return false;
  const bool limits = std::all_of(
      plan.needs.amounts.begin(), plan.needs.amounts.end(),
      [&](const Amount& amount) { return amount.value == 0 || within_limit(row, amount); });
  if (!limits) return false;
  const RowFacts facts(books, node);
  return std::all_of(compiled.member_of.begin(), compiled.member_of.end(),
                     [&](const MemberOf& one) {
                       return one.query.depends_on_tasks() || one.query.matches(facts);
                     });
}

void refresh_one(const Compiled& compiled, OwnerPlan& plan, const Books& books,
                 std::uint32_t node) {
  const std::uint64_t bit = std::uint64_t{1} << (node % 64);
  std::uint64_t& word = plan.lasting[node / 64];
  word = is_lasting(compiled, plan, books, node) ? word | bit : word & ~bit;
}

}  // namespace

void refresh_lasting(Compiled& compiled, const Books& books) {
  if (compiled.seen == books.change_count()) return;
  const Books::Changes changes = books.changes_since(compiled.seen);
  for (OwnerPlan& plan : compiled.owners) {
    plan.lasting.resize(books.padded() / 64);
    for (const std::uint32_t node : changes.nodes) refresh_one(compiled, plan, books, node);
    if (!changes.all) continue;
    for (std::uint32_t node = 0; node < books.node_end(); ++node) {
      refresh_one(compiled, plan, books, node);
    }
  }
  compiled.seen = books.change_count();
}

const OwnerPlan* plan_for(const Compiled& compiled, const Books& books, std::uint32_t node) {
  for (const OwnerPlan& plan : compiled.owners) {
    if (plan.owner == books.row(node).spec.owner) return &plan;
  }
  return nullptr;
}

std::optional<Finding> check(const Compiled& compiled, const Books& books, std::uint32_t node) {
  const OwnerPlan* plan = plan_for(compiled, books, node);
  if (const auto finding = check_node(compiled, plan, books.row(node))) return finding;
  if (const auto finding = check_resources(*plan, books, node)) return finding;
  const RowFacts facts(books, node);
  for (std::size_t i = 0; i < compiled.member_of.size(); ++i) {
    if (!compiled.member_of[i].query.matches(facts)) return Finding{Reason::MemberOf, i};
  }
  const bool taken = compiled.distinct_instance && books.tally().count(compiled.counted, node) > 0;
  return taken ? std::optional(Finding{Reason::DistinctInstance}) : std::nullopt;
}

bool passes_now(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                std::uint32_t node) {
  const auto reaches = [&](const OwnerPlan::LeastColumn& floor) {
    return books.column(floor.column).free[node] >= floor.least;
  };
  if (!std::all_of(plan.floors.begin(), plan.floors.end(), reaches)) return false;
  const auto& held = books.row(node).ports;
  const auto& ports = plan.holding->ports;
  if (std::any_of(ports.begin(), ports.end(),
                  [&](std::uint32_t key) { return held.contains(key); }))
    return false;
  if (compiled.distinct_instance && books.tally().count(compiled.counted, node) > 0) return false;
  return passes_one_by_one(compiled, plan, books, node);
}

bool passes_one_by_one(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                       std::uint32_t node) {
  const bool floors_decide = plan.floors_decide_devices && !books.has_partitions();
  if (!floors_decide && !books.row(node).devices.choose(plan.needs.devices)) return false;
  if (!compiled.expressions_read_tasks) return true;
  const RowFacts facts(books, node);
  return std::all_of(compiled.member_of.begin(), compiled.member_of.end(),
                     [&](const MemberOf& one) {
                       return !one.query.depends_on_tasks() || one.query.matches(facts);
                     });
}

Refusal refusal_of(const Compiled& compiled, const Books& books, std::uint32_t node,
                   Finding finding) {
  Refusal out{.node = static_cast<NodeIndex>(node), .reason = finding.reason};
  const OwnerPlan* plan = plan_for(compiled, books, node);
  if (plan == nullptr) return out;
  const NodeRow& row = books.row(node);
  const auto amounts = [&](std::int64_t needed, std::int64_t available) {
    out.needed = needed;
    out.available = available;
  };
  switch (finding.reason) {
    case Reason::Location: {
      const Attribute* zone = row.attribute(kZoneAttribute);
      out.subject = zone == nullptr ? std::string() : zone->value;
      break;
    }
    case Reason::Attribute: {
      const Attribute& wanted = plan->needs.attributes[finding.index];
      out.subject = wanted.value.empty() ? wanted.name : wanted.name + "=" + wanted.value;
      break;
    }
    case Reason::Cpu:
      amounts(plan->needs.cpu, free_of(books, kCpuColumn, node));
      break;
    case Reason::Memory:
      amounts(plan->needs.memory_mib, free_of(books, kMemoryColumn, node));
      break;
    case Reason::Eni:
      amounts(plan->needs.eni_slots, free_of(books, kEniColumn, node));
      break;
    case Reason::Ports: {
      const Port port = plan->needs.ports[finding.index];
      out.subject =
          std::to_string(port.number) + (port.protocol == Port::Protocol::Udp ? "/udp" : "/tcp");
      break;
    }
    case Reason::Device:
      out.subject = plan->needs.devices[finding.index].type;
      break;
    case Reason::Amount: {
      const Amount& amount = plan->needs.amounts[finding.index];
      out.subject = amount.name;
      const std::int64_t left = free_of(books, Column::Kind::Amount, amount.name, node);
      amounts(amount.value,
              within_limit(row, amount) ? left : std::min(left, limit_of(row, amount.name)));
      break;
    }
    case Reason::MemberOf:
      out.subject = compiled.member_of[finding.index].expression;
      break;
    case Reason::Owner:
    case Reason::Inactive:
    case Reason::Agent:
    case Reason::DistinctInstance:
      break;
  }
  return out;
}

}  // namespace berth::placement
