// SPDX-License-Identifier: Apache-2.0
#include "core/placement/node_classes.hpp"

#include <algorithm>
#include <utility>

namespace berth::placement {
namespace {

NodeClass class_of(const NodeSpec& spec) {
  NodeClass out{.owner = spec.owner,
                .capacity_provider = spec.capacity_provider,
                .agent_version = spec.agent_version,
                .attributes = {spec.attributes.rbegin(), spec.attributes.rend()},
                .limits = {}};
  const auto by_name = [](const Attribute& a, const Attribute& b) { return a.name < b.name; };
  std::stable_sort(out.attributes.begin(), out.attributes.end(), by_name);
  const auto same = [](const Attribute& a, const Attribute& b) { return a.name == b.name; };
  out.attributes.erase(std::unique(out.attributes.begin(), out.attributes.end(), same),
                       out.attributes.end());
  for (const Capacity& capacity : spec.capacities) {
    if (capacity.per_task_limit > 0) out.limits.push_back({capacity.name, capacity.per_task_limit});
  }
  std::sort(out.limits.begin(), out.limits.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

// Equal for equal classes only: each part is preceded by its length.
std::string key_of(const NodeClass& what) {
  std::string out;
  const auto add = [&](std::string_view part) {
    out += std::to_string(part.size());
    out += ':';
    out += part;
  };
  add(what.owner);
  add(what.capacity_provider);
  add(what.agent_version);
  for (const Attribute& attribute : what.attributes) {
    add(attribute.name);
    add(attribute.value);
  }
  out += '|';
  for (const auto& limit : what.limits) {
    add(limit.name);
    add(std::to_string(limit.per_task));
  }
  return out;
}

}  // namespace

const Attribute* NodeClass::attribute(std::string_view name) const {
  const auto at =
      std::lower_bound(attributes.begin(), attributes.end(), name,
                       [](const Attribute& a, std::string_view wanted) { return a.name < wanted; });
  return at == attributes.end() || at->name != name ? nullptr : &*at;
}

std::int64_t NodeClass::limit_of(std::string_view amount) const {
  for (const Limit& limit : limits) {
    if (limit.name == amount) return limit.per_task;
  }
  return 0;
}

NodeClasses::Joined NodeClasses::join(const NodeSpec& spec) {
  NodeClass what = class_of(spec);
  const auto [at, is_new] = numbers_.try_emplace(key_of(what), 0);
  if (is_new) {
    if (free_.empty()) {
      at->second = end();
      entries_.emplace_back();
    } else {
      at->second = free_.back();
      free_.pop_back();
    }
    entries_[at->second] = Entry{std::move(what), 0, &at->first};
    log_.add(at->second, entries_.size());
  }
  ++entries_[at->second].nodes;
  return {at->second, is_new};
}

bool NodeClasses::leave(std::uint32_t number) {
  Entry& entry = entries_[number];
  if (--entry.nodes > 0) return false;
  numbers_.erase(std::string(*entry.key));
  entry = Entry{};
  free_.push_back(number);
  return true;
}

std::size_t NodeClasses::bytes() const {
  std::size_t out = entries_.capacity() * sizeof(Entry) + log_.bytes();
  for (const Entry& entry : entries_) {
    if (entry.key == nullptr) continue;
    out += 2 * entry.key->size() + sizeof(std::string) + 4 * sizeof(void*);
    out += entry.what.attributes.capacity() * sizeof(Attribute);
    out += entry.what.limits.capacity() * sizeof(NodeClass::Limit);
  }
  return out;
}

}  // namespace berth::placement
