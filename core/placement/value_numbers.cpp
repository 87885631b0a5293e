// SPDX-License-Identifier: Apache-2.0
#include "core/placement/value_numbers.hpp"

#include <algorithm>

namespace berth::placement {

void ValueNumbers::add(std::uint32_t number, const NodeClass& what) {
  of_class_.resize(std::max<std::size_t>(of_class_.size(), std::size_t{number} + 1));
  const Attribute* attribute = what.attribute(attribute_);
  std::uint32_t value = 0;
  if (attribute != nullptr) {
    const auto [at, is_new] = numbers_.try_emplace(attribute->value, 0);
    if (is_new) {
      if (free_.empty()) {
        at->second = end();
        values_.push_back(nullptr);
        classes_.push_back(0);
      } else {
        at->second = free_.back();
        free_.pop_back();
      }
      values_[at->second] = &at->first;
    }
    value = at->second;
  }
  of_class_[number] = value;
  ++classes_[value];
}

void ValueNumbers::remove(std::uint32_t number) {
  const std::uint32_t value = of_class_[number];
  if (--classes_[value] > 0 || value == 0) return;
  numbers_.erase(std::string(*values_[value]));
  values_[value] = nullptr;
  free_.push_back(value);
}

std::size_t ValueNumbers::bytes() const {
  return of_class_.capacity() * sizeof(std::uint32_t) +
         values_.size() * (sizeof(void*) + sizeof(std::uint32_t)) +
         numbers_.size() * (sizeof(std::string) + 4 * sizeof(void*));
}

}  // namespace berth::placement
