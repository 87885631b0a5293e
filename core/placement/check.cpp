// SPDX-License-Identifier: Apache-2.0
// The checks of one node, in the order of Reason.
#include <algorithm>
#include <utility>

#include "core/placement/affinity.hpp"
#include "core/placement/compiled.hpp"

namespace berth::placement {
namespace {

// A node as an expression sees it.
class RowFacts final : public NodeFacts {
 public:
  // `connected`: as it is, or as it would be were the node to take tasks.
  RowFacts(const Books& books, std::uint32_t node, bool connected)
      : books_(books),
        node_(node),
        row_(books.row(node)),
        class_(books.node_class(node)),
        connected_(connected) {}

  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view name) const override {
    const Attribute* found = class_.attribute(name);
    return found == nullptr ? std::nullopt : std::optional<std::string_view>(found->value);
  }
  [[nodiscard]] bool agent_connected() const override { return connected_; }
  [[nodiscard]] std::string_view agent_version() const override { return class_.agent_version; }
  [[nodiscard]] std::string_view ec2_instance_id() const override {
    return books_.identity(node_).ec2_instance_id.view();
  }
  [[nodiscard]] std::int64_t registered_at_ms() const override {
    return books_.identity(node_).registered_at_ms;
  }
  [[nodiscard]] std::int64_t running_tasks() const override { return row_.counted_tasks; }
  [[nodiscard]] bool any_group(const GroupTest& test) const override {
    for (const TaskRecord& task : books_.tasks(node_)) {
      if (task.counted != 0 && test(books_.tally().name(books_.kind_of(task).group))) return true;
    }
    return false;
  }

 private:
  const Books& books_;
  std::uint32_t node_;
  const NodeRow& row_;
  const NodeClass& class_;
  bool connected_;
};

// A class as an expression sees it that reads nothing else. Its nodes are connected: others take no
// tasks.
class ClassFacts final : public NodeFacts {
 public:
  explicit ClassFacts(const NodeClass& what) : class_(what) {}

  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view name) const override {
    const Attribute* found = class_.attribute(name);
    return found == nullptr ? std::nullopt : std::optional<std::string_view>(found->value);
  }
  [[nodiscard]] bool agent_connected() const override { return true; }
  [[nodiscard]] std::string_view agent_version() const override { return class_.agent_version; }
  [[nodiscard]] std::string_view ec2_instance_id() const override { return {}; }
  [[nodiscard]] std::int64_t registered_at_ms() const override { return 0; }
  [[nodiscard]] std::int64_t running_tasks() const override { return 0; }
  [[nodiscard]] bool any_group(const GroupTest& /*test*/) const override { return false; }

 private:
  const NodeClass& class_;
};

std::optional<Finding> find_missing_attribute(const Needs& needs, const NodeClass& of) {
  for (std::size_t i = 0; i < needs.attributes.size(); ++i) {
    const Attribute& wanted = needs.attributes[i];
    const Attribute* found = of.attribute(wanted.name);
    const bool holds = found != nullptr && (wanted.value.empty() || wanted.value == found->value);
    if (!holds) return Finding{Reason::Attribute, i};
  }
  return std::nullopt;
}

bool in_zones(const std::vector<std::string>& zones, const NodeClass& of) {
  if (zones.empty()) return true;
  const Attribute* zone = of.attribute(kZoneAttribute);
  return zone != nullptr && std::find(zones.begin(), zones.end(), zone->value) != zones.end();
}

bool is_candidate(const Compiled& compiled, const OwnerPlan* plan, const NodeClass& of) {
  const Request& request = compiled.request;
  return plan != nullptr &&
         (request.capacity_provider.empty() || request.capacity_provider == of.capacity_provider);
}

// What the node is, before anything about amounts.
std::optional<Finding> check_node(const Compiled& compiled, const OwnerPlan* plan,
                                  const NodeRow& row, const NodeClass& of) {
  if (!is_candidate(compiled, plan, of)) return Finding{Reason::Owner};
  if (!row.active) return Finding{Reason::Inactive};
  if (!row.connected) return Finding{Reason::Agent};
  if (!in_zones(compiled.request.zones, of)) return Finding{Reason::Location};
  return find_missing_attribute(plan->needs, of);
}

bool within_limit(const NodeClass& of, const Amount& amount) {
  const std::int64_t limit = of.limit_of(amount.name);
  return limit == 0 || amount.value <= limit;
}

std::int64_t left_of(const Books& books, Column::Kind kind, std::string_view name,
                     std::uint32_t node) {
  const auto column = books.find_column(kind, name);
  return column ? books.left(*column, node) : 0;
}

std::optional<Finding> check_resources(const OwnerPlan& plan, const Books& books,
                                       std::uint32_t node) {
  const Needs& needs = plan.needs;
  if (needs.cpu > 0 && books.left(kCpuColumn, node) < needs.cpu) return Finding{Reason::Cpu};
  if (needs.memory_mib > 0 && books.left(kMemoryColumn, node) < needs.memory_mib)
    return Finding{Reason::Memory};
  for (std::size_t i = 0; i < plan.ports.size(); ++i) {
    if (books.has_port(node, plan.ports[i])) return Finding{Reason::Ports, i};
  }
  if (needs.eni_slots > 0 && left_of(books, Column::Kind::Eni, "ENI", node) < needs.eni_slots)
    return Finding{Reason::Eni};
  for (std::size_t i = 0; i < needs.devices.size(); ++i) {
    if (!books.devices(node).suffices(std::span(needs.devices).first(i + 1)))
      return Finding{Reason::Device, i};
  }
  for (std::size_t i = 0; i < needs.amounts.size(); ++i) {
    const Amount& amount = needs.amounts[i];
    const bool holds = amount.value == 0 ||
                       (within_limit(books.node_class(node), amount) &&
                        left_of(books, Column::Kind::Amount, amount.name, node) >= amount.value);
    if (!holds) return Finding{Reason::Amount, i};
  }
  return std::nullopt;
}

// What the class decides, of a plan's nodes that take tasks.
bool class_passes(const Compiled& compiled, const OwnerPlan& plan, const NodeClass& of) {
  if (of.owner != plan.owner || !is_candidate(compiled, &plan, of)) return false;
  if (!in_zones(compiled.request.zones, of) || find_missing_attribute(plan.needs, of)) return false;
  const auto& amounts = plan.needs.amounts;
  const bool limits = std::all_of(amounts.begin(), amounts.end(), [&](const Amount& amount) {
    return amount.value == 0 || within_limit(of, amount);
  });
  if (!limits) return false;
  const ClassFacts facts(of);
  return std::all_of(compiled.member_of.begin(), compiled.member_of.end(),
                     [&](const MemberOf& one) {
                       return one.query.depends_on_tasks() || one.query.depends_on_identity() ||
                              one.query.matches(facts);
                     });
}

bool identity_passes(const Compiled& compiled, const Books& books, std::uint32_t node) {
  if (!books.is_live(node)) return false;
  const RowFacts facts(books, node, true);
  return std::all_of(compiled.member_of.begin(), compiled.member_of.end(),
                     [&](const MemberOf& one) {
                       return one.query.depends_on_tasks() || !one.query.depends_on_identity() ||
                              one.query.matches(facts);
                     });
}

void refresh_identities(Compiled& compiled, const Books& books) {
  if (compiled.seen_identities == books.identity_log().count()) return;
  const auto changes = books.identity_log().since(compiled.seen_identities);
  compiled.identities.resize(books.padded() / 64);
  const auto refresh = [&](std::uint32_t node) {
    const std::uint64_t bit = std::uint64_t{1} << (node % 64);
    std::uint64_t& word = compiled.identities[node / 64];
    word = identity_passes(compiled, books, node) ? word | bit : word & ~bit;
  };
  for (const std::uint32_t node : changes.things) refresh(node);
  for (std::uint32_t node = 0; changes.all && node < books.node_end(); ++node) refresh(node);
  compiled.seen_identities = books.identity_log().count();
}

}  // namespace

void catch_up(Compiled& compiled, const Books& books) {
  if (compiled.expressions_read_identity) refresh_identities(compiled, books);
  const ChangeLog& log = books.classes().log();
  if (compiled.seen_classes == log.count()) return;
  const auto changes = log.since(compiled.seen_classes);
  if (changes.all) compiled.verdicts.forget_all();
  compiled.verdicts.resize(books.classes().end());
  for (const std::uint32_t number : changes.things)
    compiled.verdicts.set(number, Verdicts::kUnknown);
  compiled.seen_classes = log.count();
}

std::uint8_t find_verdict(Compiled& compiled, const Books& books, std::uint32_t class_number) {
  std::uint8_t out = Verdicts::kRefused;
  for (std::size_t i = 0; i < compiled.owners.size() && out == Verdicts::kRefused; ++i) {
    if (class_passes(compiled, compiled.owners[i], books.classes().at(class_number)))
      out = verdict_for(i);
  }
  compiled.verdicts.set(class_number, out);
  return out;
}

const OwnerPlan* plan_for(const Compiled& compiled, const Books& books, std::uint32_t node) {
  for (const OwnerPlan& plan : compiled.owners) {
    if (plan.owner == books.node_class(node).owner) return &plan;
  }
  return nullptr;
}

std::optional<Finding> check(const Compiled& compiled, const Books& books, std::uint32_t node) {
  const OwnerPlan* plan = plan_for(compiled, books, node);
  if (const auto finding = check_node(compiled, plan, books.row(node), books.node_class(node)))
    return finding;
  if (const auto finding = check_resources(*plan, books, node)) return finding;
  const RowFacts facts(books, node, books.row(node).connected);
  for (std::size_t i = 0; i < compiled.member_of.size(); ++i) {
    if (!compiled.member_of[i].query.matches(facts)) return Finding{Reason::MemberOf, i};
  }
  const bool taken =
      compiled.distinct_instance && books.count(compiled.counted_kind, compiled.counted, node) > 0;
  return taken ? std::optional(Finding{Reason::DistinctInstance}) : std::nullopt;
}

bool passes_the_rest(const Compiled& compiled, std::size_t plan_index, const Books& books,
                     std::uint32_t node) {
  if (compiled.expressions_read_identity &&
      (compiled.identities[node / 64] >> (node % 64) & 1) == 0)
    return false;
  const OwnerPlan& plan = compiled.owners[plan_index];
  for (const OwnerPlan::LeastOffer& floor : plan.floors) {
    if (books.offers(floor.column)[node] < floor.least) return false;
  }
  for (const std::uint32_t key : plan.ports) {
    if (books.has_port(node, key)) return false;
  }
  if (compiled.distinct_instance && books.count(compiled.counted_kind, compiled.counted, node) > 0)
    return false;
  return !needs_one_by_one(compiled, plan, books) || passes_one_by_one(compiled, plan, books, node);
}

bool needs_one_by_one(const Compiled& compiled, const OwnerPlan& plan, const Books& books) {
  if (compiled.expressions_read_tasks || !plan.floors_decide_devices) return true;
  return books.has_partitions() && !plan.needs.devices.empty();
}

bool passes_one_by_one(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                       std::uint32_t node) {
  const bool look = !plan.floors_decide_devices || books.has_partitions();
  if (look && !plan.needs.devices.empty() && !books.devices(node).suffices(plan.needs.devices))
    return false;
  if (!compiled.expressions_read_tasks) return true;
  const RowFacts facts(books, node, books.row(node).connected);
  return std::all_of(compiled.member_of.begin(), compiled.member_of.end(),
                     [&](const MemberOf& one) {
                       return !one.query.depends_on_tasks() || one.query.matches(facts);
                     });
}

std::int32_t affinity_of(const Affinity& affinity, const Books& books, std::uint32_t node) {
  return affinity.score(RowFacts(books, node, books.row(node).connected));
}

Refusal refusal_of(const Compiled& compiled, const Books& books, std::uint32_t node,
                   Finding finding) {
  Refusal out{.node = static_cast<NodeIndex>(node), .reason = finding.reason};
  const OwnerPlan* plan = plan_for(compiled, books, node);
  if (plan == nullptr) return out;
  const NodeClass& of = books.node_class(node);
  const auto amounts = [&](std::int64_t needed, std::int64_t available) {
    out.needed = needed;
    out.available = available;
  };
  switch (finding.reason) {
    case Reason::Location: {
      const Attribute* zone = of.attribute(kZoneAttribute);
      out.subject = zone == nullptr ? std::string() : zone->value;
      break;
    }
    case Reason::Attribute: {
      const Attribute& wanted = plan->needs.attributes[finding.index];
      out.subject = wanted.value.empty() ? wanted.name : wanted.name + "=" + wanted.value;
      break;
    }
    case Reason::Cpu:
      amounts(plan->needs.cpu, books.left(kCpuColumn, node));
      break;
    case Reason::Memory:
      amounts(plan->needs.memory_mib, books.left(kMemoryColumn, node));
      break;
    case Reason::Eni:
      amounts(plan->needs.eni_slots, left_of(books, Column::Kind::Eni, "ENI", node));
      break;
    case Reason::Ports: {
      const Port port = port_of(plan->ports[finding.index]);
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
      const std::int64_t left = left_of(books, Column::Kind::Amount, amount.name, node);
      amounts(amount.value,
              within_limit(of, amount) ? left : std::min(left, of.limit_of(amount.name)));
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
