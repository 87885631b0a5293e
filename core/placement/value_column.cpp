// SPDX-License-Identifier: Apache-2.0
#include "core/placement/value_column.hpp"

#include <utility>

namespace berth::placement {

void ValueColumn::refresh(const Books& books) {
  if (seen_ == books.change_count()) return;
  const Books::Changes changes = books.changes_since(seen_);
  of_node_.resize(books.padded());
  const auto update = [&](std::uint32_t node) {
    set(node, books.is_live(node) ? books.row(node).attribute(attribute_) : nullptr);
  };
  for (const std::uint32_t node : changes.nodes) update(node);
  for (std::uint32_t node = 0; changes.all && node < books.node_end(); ++node) update(node);
  seen_ = books.change_count();
}

void ValueColumn::set(std::uint32_t node, const Attribute* attribute) {
  const std::int32_t before = of_node_[node];
  of_node_[node] = attribute == nullptr ? 0 : acquire(attribute->value);
  if (before == 0) return;
  const auto old = static_cast<std::size_t>(before);
  if (--holders_[old] > 0) return;
  numbers_.erase(std::string(*values_[old]));
  values_[old] = nullptr;
  free_.push_back(before);
}

std::int32_t ValueColumn::acquire(const std::string& value) {
  const auto [at, is_new] = numbers_.try_emplace(value, 0);
  if (is_new) {
    if (free_.empty()) {
      at->second = static_cast<std::int32_t>(values_.size());
      values_.push_back(nullptr);
      holders_.push_back(0);
    } else {
      at->second = free_.back();
      free_.pop_back();
    }
    values_[static_cast<std::size_t>(at->second)] = &at->first;
  }
  ++holders_[static_cast<std::size_t>(at->second)];
  return at->second;
}

}  // namespace berth::placement
