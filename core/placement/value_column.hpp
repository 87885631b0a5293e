// SPDX-License-Identifier: Apache-2.0
// ValueColumn: the value that each node has of one attribute, as small numbers; 0 where a node
// lacks it.
//
// Invariants: equal numbers are equal values; numbers of values that no node has are used again.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/placement/books.hpp"

namespace berth::placement {

class ValueColumn {
 public:
  explicit ValueColumn(std::string attribute) : attribute_(std::move(attribute)) {}

  // Takes in what changed in the books since the last call.
  void refresh(const Books& books);
  [[nodiscard]] const std::int32_t* column() const { return of_node_.data(); }
  [[nodiscard]] std::int32_t of(std::uint32_t node) const { return of_node_[node]; }
  [[nodiscard]] std::size_t value_end() const { return holders_.size(); }  // numbers are below it

 private:
  void set(std::uint32_t node, const Attribute* attribute);
  std::int32_t acquire(const std::string& value);

  std::string attribute_;
  std::vector<std::int32_t> of_node_;
  std::unordered_map<std::string, std::int32_t> numbers_;  // looked up, never iterated
  std::vector<const std::string*> values_{nullptr};        // by number: keys of numbers_
  std::vector<std::uint32_t> holders_{0};                  // by number
  std::vector<std::int32_t> free_;
  std::uint64_t seen_ = Books::kNothingSeen;
};

}  // namespace berth::placement
