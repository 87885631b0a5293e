// SPDX-License-Identifier: Apache-2.0
// Tally: how many tasks of each group and service each node runs.
//
// A set is a group or a service by name; it exists while a request or a task refers to it. Threads:
// one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace berth::placement {

class Tally {
 public:
  enum class Kind : std::uint8_t { Group, Service };
  using Set = std::uint32_t;
  struct Count {
    std::uint32_t key = 0;  // a node, or a set
    std::uint32_t tasks = 0;
  };

  // The set of this name, made where there is none; each acquire wants one release.
  [[nodiscard]] Set acquire(Kind kind, std::string_view name);
  void share(Set set) { ++sets_[set].references; }
  void release(Set set);
  [[nodiscard]] std::optional<Set> find(Kind kind, std::string_view name) const;
  [[nodiscard]] std::string_view name(Set set) const { return sets_[set].name; }
  [[nodiscard]] Kind kind(Set set) const { return sets_[set].kind; }

  void add_nodes(std::size_t count) { nodes_.resize(std::max(nodes_.size(), count)); }
  void add(Set set, std::uint32_t node);
  void remove(Set set, std::uint32_t node);

  // Nodes with tasks of the set, ascending; sets with tasks on the node, ascending. Valid until the
  // next change.
  [[nodiscard]] std::span<const Count> nodes_of(Set set) const { return sets_[set].nodes; }
  [[nodiscard]] std::span<const Count> sets_on(std::uint32_t node) const { return nodes_[node]; }
  [[nodiscard]] std::uint32_t count(Set set, std::uint32_t node) const;

 private:
  struct Entry {
    Kind kind = Kind::Group;
    std::string name;
    std::uint32_t references = 0;
    std::vector<Count> nodes;
  };

  std::vector<Entry> sets_;
  std::vector<Set> free_;
  std::unordered_map<std::string, Set> by_name_[2];  // by kind; looked up, never iterated
  std::vector<std::vector<Count>> nodes_;
};

}  // namespace berth::placement
