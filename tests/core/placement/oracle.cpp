// SPDX-License-Identifier: Apache-2.0
#include "tests/core/placement/oracle.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/placement/query.hpp"

namespace berth::placement::testing {
namespace {

using Node = Oracle::Node;

class Facts final : public NodeFacts {
 public:
  explicit Facts(const Node& node) : node_(node) {}
  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view name) const override {
    std::optional<std::string_view> out;
    for (const Attribute& a : node_.spec.attributes) {
      if (a.name == name) out = a.value;
    }
    return out;
  }
  [[nodiscard]] bool agent_connected() const override { return node_.spec.connected; }
  [[nodiscard]] std::string_view agent_version() const override { return node_.spec.agent_version; }
  [[nodiscard]] std::string_view ec2_instance_id() const override {
    return node_.spec.ec2_instance_id;
  }
  [[nodiscard]] std::int64_t registered_at_ms() const override {
    return node_.spec.registered_at_ms;
  }
  [[nodiscard]] std::int64_t running_tasks() const override {
    return std::count_if(node_.tasks.begin(), node_.tasks.end(),
                         [](const auto& task) { return task.counted; });
  }
  [[nodiscard]] bool any_group(const GroupTest& test) const override {
    return std::any_of(node_.tasks.begin(), node_.tasks.end(),
                       [&](const auto& task) { return task.counted && test(task.group); });
  }

 private:
  const Node& node_;
};

template <typename Take>
std::int64_t left(const Node& node, std::int64_t total, const Take& take) {
  for (const Oracle::Task& task : node.tasks) total -= take(task.needs);
  return total;
}

bool has_port(const Node& node, Port port) {
  const auto holds = [&](const std::vector<Port>& ports) {
    return std::find(ports.begin(), ports.end(), port) != ports.end();
  };
  return holds(node.spec.reserved_ports) ||
         std::any_of(node.tasks.begin(), node.tasks.end(),
                     [&](const auto& task) { return holds(task.needs.ports); });
}

std::int64_t amount_of(const Needs& needs, const std::string& name) {
  for (const Amount& amount : needs.amounts) {
    if (amount.name == name) return amount.value;
  }
  return 0;
}

// The sequence that README.md gives for Random.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}
std::uint64_t roll(std::uint64_t dice, std::uint64_t i, std::uint64_t below) {
  return mix(mix(dice) + (i + 1) * 0x9E3779B97F4A7C15) % below;
}

}  // namespace

DeviceUse use_of(const Node& node, const std::vector<DeviceGrant>& more, const std::string& id) {
  DeviceUse out;
  const auto add = [&](const std::vector<DeviceGrant>& grants) {
    for (const DeviceGrant& grant : grants) {
      if (grant.device_id != id) continue;
      out.any = true;
      out.whole = out.whole || grant.whole;
      out.share += grant.share_milli;
      out.memory += grant.memory_mib;
    }
  };
  for (const Oracle::Task& task : node.tasks) add(task.devices);
  add(more);
  return out;
}

const Device* find_device(const Node& node, const std::string& id) {
  for (const Device& d : node.spec.devices) {
    if (d.id == id) return &d;
  }
  return nullptr;
}

bool is_within(const Node& node, const Device& inner, const Device& outer) {
  for (const Device* up = &inner; up != nullptr; up = find_device(node, up->parent)) {
    if (up->id == outer.id) return true;
  }
  return false;
}

std::string grant_objection(const Node& node, const std::vector<DeviceGrant>& before,
                            const DeviceNeed& need, const DeviceGrant& grant) {
  const Device* d = find_device(node, grant.device_id);
  if (d == nullptr) return "no such device";
  if (d->type != need.type || (!need.model.empty() && need.model != d->model))
    return "another type or model";
  if (!d->healthy) return "unhealthy";
  for (const Device& other : node.spec.devices) {
    const bool related =
        other.id != d->id && (is_within(node, other, *d) || is_within(node, *d, other));
    if (related && use_of(node, before, other.id).any) return "a relative is in use";
  }
  const DeviceUse use = use_of(node, before, d->id);
  if (grant.whole != (need.count > 0)) return "whole for part";
  if (grant.whole) {
    if (use.any) return "in use";
    return d->memory_mib < need.memory_mib ? "too little memory" : "";
  }
  if (use.whole) return "given whole";
  if (d->share_milli == 0) return "not to be shared";
  if (grant.share_milli != need.share_milli || grant.memory_mib != need.memory_mib)
    return "another part";
  if (use.share + grant.share_milli > d->share_milli) return "share above the device";
  if (grant.memory_mib > 0 && use.memory + grant.memory_mib > d->memory_mib)
    return "memory above the device";
  return "";
}

std::int64_t cpu_left(const Node& node) {
  return left(node, node.spec.cpu, [](const Needs& needs) { return needs.cpu; });
}
std::int64_t memory_left(const Node& node) {
  return left(node, node.spec.memory_mib, [](const Needs& needs) { return needs.memory_mib; });
}
std::int64_t eni_left(const Node& node) {
  return left(node, node.spec.eni_slots, [](const Needs& needs) { return needs.eni_slots; });
}
std::int64_t amount_left(const Node& node, const std::string& name) {
  std::int64_t total = 0;
  for (const Capacity& capacity : node.spec.capacities)
    total += capacity.name == name ? capacity.total : 0;
  return left(node, total, [&](const Needs& needs) { return amount_of(needs, name); });
}

bool holds_for(const Node& node, const std::string& expression) {
  return Query::parse(expression)->matches(Facts(node));
}

std::uint32_t Oracle::add_node(NodeSpec spec) {
  std::uint32_t at = 0;
  while (at < nodes.size() && nodes[at]) ++at;
  if (at == nodes.size()) nodes.emplace_back();
  nodes[at] = Node{std::move(spec), {}};
  return at;
}

const Needs* Oracle::needs(const Request& request, std::uint32_t node) const {
  for (const OwnerNeeds& one : request.needs) {
    if (one.owner == nodes[node]->spec.owner) return &one.needs;
  }
  return nullptr;
}

std::optional<std::string> Oracle::value(std::uint32_t node, const std::string& attribute) const {
  const auto found = Facts(*nodes[node]).attribute(attribute);
  return found ? std::optional(std::string(*found)) : std::nullopt;
}

std::int64_t Oracle::counted(const Request& request, std::uint32_t node) const {
  const auto& tasks = nodes[node]->tasks;
  return std::count_if(tasks.begin(), tasks.end(), [&](const Task& task) {
    return task.counted && (request.service.empty() ? task.group == request.group
                                                    : task.service == request.service);
  });
}

bool Oracle::grant(std::uint32_t node, const Needs& needs, Progress at,
                   std::vector<DeviceGrant>& grants) const {
  if (at.need == needs.devices.size()) return true;
  const DeviceNeed& want = needs.devices[at.need];
  if (at.taken == std::max<std::int64_t>(1, want.count))
    return grant(node, needs, {.need = at.need + 1}, grants);
  const bool whole = want.count > 0;
  const auto& devices = nodes[node]->spec.devices;
  std::vector<std::size_t> order;
  for (std::size_t i = whole ? at.from : 0; i < devices.size(); ++i) order.push_back(i);
  const auto left = [&](std::size_t i) {
    const DeviceUse use = use_of(*nodes[node], grants, devices[i].id);
    return std::pair(devices[i].share_milli - use.share, devices[i].memory_mib - use.memory);
  };
  if (!whole)
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return left(a) < left(b); });
  for (const std::size_t i : order) {
    const DeviceGrant one{static_cast<std::uint32_t>(at.need), devices[i].id,
                          whole ? 0 : want.share_milli, whole ? 0 : want.memory_mib, whole};
    if (!grant_objection(*nodes[node], grants, want, one).empty()) continue;
    grants.push_back(one);
    if (grant(node, needs, {.need = at.need, .taken = at.taken + 1, .from = i + 1}, grants))
      return true;
    grants.pop_back();
  }
  return false;
}

std::string Oracle::objection(std::uint32_t node, const Needs& needs,
                              const std::vector<DeviceGrant>& grants) const {
  std::vector<DeviceGrant> before;
  std::map<std::uint32_t, std::int64_t> given;
  for (const DeviceGrant& grant : grants) {
    if (grant.need >= needs.devices.size()) return "no such need";
    const std::string why = grant_objection(*nodes[node], before, needs.devices[grant.need], grant);
    if (!why.empty()) return grant.device_id + ": " + why;
    before.push_back(grant);
    ++given[grant.need];
  }
  for (std::uint32_t i = 0; i < needs.devices.size(); ++i) {
    if (given[i] != std::max<std::int64_t>(1, needs.devices[i].count)) return "a need is not met";
  }
  return "";
}

std::optional<Reason> Oracle::refusal(const Request& request, std::uint32_t node) const {
  const Node& n = *nodes[node];
  const Needs* want = needs(request, node);
  const bool provider =
      request.capacity_provider.empty() || request.capacity_provider == n.spec.capacity_provider;
  if (want == nullptr || !provider) return Reason::Owner;
  if (n.spec.state != NodeSpec::State::Active) return Reason::Inactive;
  if (!n.spec.connected) return Reason::Agent;
  const auto zone = value(node, std::string(kZoneAttribute));
  const auto& zones = request.zones;
  if (!zones.empty() && (!zone || std::find(zones.begin(), zones.end(), *zone) == zones.end()))
    return Reason::Location;
  for (const Attribute& a : want->attributes) {
    const auto has = value(node, a.name);
    if (!has || (!a.value.empty() && a.value != *has)) return Reason::Attribute;
  }
  if (want->cpu > 0 && cpu_left(n) < want->cpu) return Reason::Cpu;
  if (want->memory_mib > 0 && memory_left(n) < want->memory_mib) return Reason::Memory;
  for (const Port port : want->ports) {
    if (has_port(n, port)) return Reason::Ports;
  }
  if (want->eni_slots > 0 && eni_left(n) < want->eni_slots) return Reason::Eni;
  std::vector<DeviceGrant> grants;
  if (!grant(node, *want, {}, grants)) return Reason::Device;
  for (const Amount& amount : want->amounts) {
    if (amount.value == 0) continue;
    for (const Capacity& c : n.spec.capacities) {
      if (c.name == amount.name && c.per_task_limit > 0 && amount.value > c.per_task_limit)
        return Reason::Amount;
    }
    if (amount_left(n, amount.name) < amount.value) return Reason::Amount;
  }
  for (const Constraint& constraint : request.constraints) {
    if (constraint.kind != Constraint::Kind::MemberOf) continue;
    if (!Query::parse(constraint.expression)->matches(Facts(n))) return Reason::MemberOf;
  }
  for (const Constraint& constraint : request.constraints) {
    const bool distinct = constraint.kind == Constraint::Kind::DistinctInstance;
    if (distinct && counted(request, node) > 0) return Reason::DistinctInstance;
  }
  return std::nullopt;
}

std::int64_t Oracle::key(const Strategy& strategy, const Request& request,
                         std::uint32_t node) const {
  switch (strategy.kind) {
    case Strategy::Kind::BinpackCpu:
      return cpu_left(*nodes[node]);
    case Strategy::Kind::BinpackMemory:
      return memory_left(*nodes[node]);
    case Strategy::Kind::SpreadInstance:
      return counted(request, node);
    case Strategy::Kind::SpreadAttribute: {
      std::int64_t out = 0;
      for (std::uint32_t other = 0; other < nodes.size(); ++other) {
        const std::int64_t here = nodes[other] ? counted(request, other) : 0;
        if (here > 0 && value(other, strategy.attribute) == value(node, strategy.attribute))
          out += here;
      }
      return out;
    }
    case Strategy::Kind::Random:
      return 0;
    default:
      return -score(strategy, request, node);
  }
}

std::optional<std::uint32_t> Oracle::decide(const Request& request, std::uint64_t dice) const {
  std::vector<std::uint32_t> rest;
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node] && !refusal(request, node)) rest.push_back(node);
  }
  if (rest.empty()) return std::nullopt;
  auto strategies = request.strategies;
  if (strategies.empty())
    strategies =
        request.service.empty() ? run_task_default_strategies() : service_default_strategies();
  for (std::size_t i = 0; i < strategies.size(); ++i) {
    if (strategies[i].kind == Strategy::Kind::Random) {
      for (std::uint64_t probe = 0; i == 0 && probe < 8; ++probe) {
        const auto node = static_cast<std::uint32_t>(roll(dice, probe, nodes.size()));
        if (std::find(rest.begin(), rest.end(), node) != rest.end()) return node;
      }
      const auto start = static_cast<std::uint32_t>(roll(dice, 8, nodes.size()));
      const auto at = std::lower_bound(rest.begin(), rest.end(), start);
      return at == rest.end() ? rest.front() : *at;
    }
    std::vector<std::int64_t> keys;
    std::map<std::optional<std::string>, std::int64_t> by_value;  // asked once for each
    for (const std::uint32_t node : rest) {
      if (strategies[i].kind != Strategy::Kind::SpreadAttribute) {
        keys.push_back(key(strategies[i], request, node));
        continue;
      }
      const auto [known, is_new] = by_value.try_emplace(value(node, strategies[i].attribute));
      if (is_new) known->second = key(strategies[i], request, node);
      keys.push_back(known->second);
    }
    const std::int64_t least = *std::min_element(keys.begin(), keys.end());
    std::vector<std::uint32_t> kept;
    for (std::size_t n = 0; n < rest.size(); ++n) {
      if (keys[n] == least) kept.push_back(rest[n]);
    }
    rest = std::move(kept);
  }
  return rest.front();
}

}  // namespace berth::placement::testing
