// SPDX-License-Identifier: Apache-2.0
#include "core/placement/tally.hpp"

namespace berth::placement {
namespace {

using Counts = std::vector<Tally::Count>;

// The first entry that is not below `key`, in either flavour of constness.
template <typename Container>
auto find_at(Container& counts, std::uint32_t key) {
  return std::lower_bound(
      counts.begin(), counts.end(), key,
      [](const Tally::Count& count, std::uint32_t wanted) { return count.key < wanted; });
}

void increment(Counts& counts, std::uint32_t key) {
  auto at = find_at(counts, key);
  if (at == counts.end() || at->key != key) at = counts.insert(at, Tally::Count{key, 0});
  ++at->tasks;
}

void decrement(Counts& counts, std::uint32_t key) {
  const auto at = find_at(counts, key);
  if (--at->tasks == 0) counts.erase(at);
}

}  // namespace

Tally::Set Tally::acquire(Kind kind, std::string_view name) {
  if (const auto known = find(kind, name)) {
    share(*known);
    return *known;
  }
  Set set = 0;
  if (free_.empty()) {
    set = static_cast<Set>(sets_.size());
    sets_.emplace_back();
  } else {
    set = free_.back();
    free_.pop_back();
  }
  sets_[set] = Entry{kind, std::string(name), 1, {}};
  by_name_[static_cast<std::size_t>(kind)].emplace(std::string(name), set);
  return set;
}

void Tally::release(Set set) {
  Entry& entry = sets_[set];
  if (--entry.references > 0) return;
  by_name_[static_cast<std::size_t>(entry.kind)].erase(entry.name);
  entry = Entry{};
  free_.push_back(set);
}

std::optional<Tally::Set> Tally::find(Kind kind, std::string_view name) const {
  const auto& names = by_name_[static_cast<std::size_t>(kind)];
  const auto at = names.find(std::string(name));
  return at == names.end() ? std::nullopt : std::optional(at->second);
}

void Tally::add(Set set, std::uint32_t node) {
  increment(sets_[set].nodes, node);
  increment(nodes_[node], set);
}

void Tally::remove(Set set, std::uint32_t node) {
  decrement(sets_[set].nodes, node);
  decrement(nodes_[node], set);
}

std::uint32_t Tally::count(Set set, std::uint32_t node) const {
  const auto at = find_at(nodes_[node], set);
  return at == nodes_[node].end() || at->key != set ? 0 : at->tasks;
}

}  // namespace berth::placement
