// SPDX-License-Identifier: Apache-2.0
// Tally: how many tasks each group and service runs: in all, on nodes with each value of the
// attributes that are spread over, and, for sets that are asked so, on each node.
//
// A set is a group or a service by name; it exists while a request or a task refers to it. Tasks
// count until they are retired. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/placement/count_tree.hpp"
#include "core/placement/lanes.hpp"
#include "core/placement/value_numbers.hpp"

namespace berth::placement {

class Tally {
 public:
  enum class Kind : std::uint8_t { Group, Service };
  using Set = std::uint32_t;
  static constexpr Set kNoSet = UINT32_MAX;
  using Slot = std::uint32_t;  // of an attribute

  // The set of this name, made where there is none; each acquire and share wants one release.
  [[nodiscard]] Set acquire(Kind kind, std::string_view name);
  void share(Set set) { ++sets_[set].references; }
  void release(Set set);
  [[nodiscard]] std::optional<Set> find(Kind kind, std::string_view name) const;
  [[nodiscard]] std::string_view name(Set set) const { return names_[set].name; }
  [[nodiscard]] Set end() const { return static_cast<Set>(sets_.size()); }

  // ---- Attributes that are spread over
  // The attribute's slot, made where there is none. A new one counts from zero: the caller adds
  // what runs already, by add_value.
  struct Tracked {
    Slot slot = 0;
    bool is_new = false;
  };
  [[nodiscard]] Tracked track(std::string_view attribute, const NodeClasses& classes);
  void untrack(Slot slot);
  [[nodiscard]] const ValueNumbers& values(Slot slot) const { return *attributes_[slot].values; }
  // Null where there is none in this slot.
  [[nodiscard]] const ValueNumbers* values_at(Slot slot) const {
    return slot < attributes_.size() ? attributes_[slot].values.get() : nullptr;
  }
  void add_value(Set set, Slot slot, std::uint32_t node_class, std::int32_t more = 1) {
    const Attribute& attribute = attributes_[slot];
    by_value(set)[attribute.begin + attribute.values->of_class(node_class)] += more;
  }
  void class_came(std::uint32_t number, const NodeClass& what);
  void class_goes(std::uint32_t number);
  // Tasks of the set on nodes with this value.
  [[nodiscard]] std::int32_t of_value(Set set, Slot slot, std::uint32_t value) const {
    return by_value(set)[attributes_[slot].begin + value];
  }

  // ---- Tasks
  void add(Set set, std::uint32_t node, std::uint32_t node_class) {
    count(set, node, node_class, 1);
  }
  void remove(Set set, std::uint32_t node, std::uint32_t node_class) {
    count(set, node, node_class, -1);
  }
  // Has the line at hand that `add` and `remove` will ask for.
  void prefetch(Set set) const { lanes::prefetch(&sets_[set]); }
  [[nodiscard]] std::uint32_t tasks(Set set) const { return sets_[set].tasks; }

  // ---- Counts for each node, for sets that want them. Null: not kept.
  [[nodiscard]] const CountTree* counts(Set set) const { return sets_[set].counts.get(); }
  void keep_counts(Set set, CountTree counts);
  void drop_counts(Set set);
  // Room for so many nodes, in each.
  void grow(std::size_t nodes);
  // All that `keep_counts` took.
  [[nodiscard]] std::size_t counts_bytes() const;
  [[nodiscard]] std::size_t bytes() const;  // the rest

 private:
  static constexpr std::uint32_t kFewValues = 12;
  // What every task that comes or goes changes: one line of the cache.
  struct alignas(64) Entry {
    std::uint32_t references = 0;
    std::uint32_t tasks = 0;
    std::unique_ptr<CountTree> counts{};
    // Tasks by value (see Attribute) while values are few, else they are in many_.
    std::array<std::int32_t, kFewValues> few{};
  };
  struct Name {
    Kind kind = Kind::Group;
    std::string name{};
  };
  struct Attribute {
    std::unique_ptr<ValueNumbers> values{};
    std::uint32_t users = 0;
    // Where the attribute's values stand in every set's counts by value, and for how many there is
    // room.
    std::uint32_t begin = 0;
    std::uint32_t room = 0;
  };
  [[nodiscard]] const std::int32_t* by_value(Set set) const {
    return width_ <= kFewValues ? sets_[set].few.data() : many_[set].data();
  }
  [[nodiscard]] std::int32_t* by_value(Set set) {
    return width_ <= kFewValues ? sets_[set].few.data() : many_[set].data();
  }
  void make_room(Slot slot);
  void count(Set set, std::uint32_t node, std::uint32_t node_class, std::int32_t more) {
    Entry& entry = sets_[set];
    entry.tasks += static_cast<std::uint32_t>(more);
    for (Slot slot = 0; slot < attributes_.size(); ++slot) {
      if (attributes_[slot].values != nullptr) add_value(set, slot, node_class, more);
    }
    if (entry.counts != nullptr) entry.counts->add(node, more);
  }

  std::vector<Entry> sets_;
  std::vector<Name> names_;                      // by set
  std::vector<std::vector<std::int32_t>> many_;  // by set, where width_ is above kFewValues
  std::uint32_t width_ = 0;                      // of all attributes together
  std::vector<Set> free_;
  std::unordered_map<std::string, Set> by_name_[2];  // by kind; looked up, never iterated
  std::vector<Attribute> attributes_;                // by slot
  std::vector<Set> counted_;                         // sets that have `counts`
};

}  // namespace berth::placement
