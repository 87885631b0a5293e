// SPDX-License-Identifier: Apache-2.0
// ValueNumbers: the values that node classes have of one attribute, as small numbers; 0 where a
// class lacks it.
//
// Invariants: equal numbers are equal values; a number whose last class went is used again.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/placement/node_classes.hpp"

namespace berth::placement {

class ValueNumbers {
 public:
  explicit ValueNumbers(std::string attribute) : attribute_(std::move(attribute)) {}

  [[nodiscard]] const std::string& attribute() const { return attribute_; }
  // The class with this number came, or is about to go.
  void add(std::uint32_t number, const NodeClass& what);
  void remove(std::uint32_t number);
  // So many classes may be asked about: also those that went before, whose nodes' places remain.
  void reach(std::size_t classes) {
    if (classes > of_class_.size()) of_class_.resize(classes);
  }
  [[nodiscard]] std::uint32_t of_class(std::uint32_t number) const { return of_class_[number]; }
  [[nodiscard]] std::uint32_t end() const {  // numbers are below it; 0 is always one
    return static_cast<std::uint32_t>(classes_.size());
  }
  // Whether some class has the value of this number.
  [[nodiscard]] bool in_use(std::uint32_t value) const { return classes_[value] > 0; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  std::string attribute_;
  std::vector<std::uint32_t> of_class_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // looked up, never iterated
  std::vector<const std::string*> values_{nullptr};         // by number: keys of numbers_
  std::vector<std::uint32_t> classes_{0};                   // by number
  std::vector<std::uint32_t> free_;
};

}  // namespace berth::placement
