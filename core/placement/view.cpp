// SPDX-License-Identifier: Apache-2.0
#include "core/placement/view.hpp"

#include <functional>

namespace berth::placement {

std::uint32_t ViewNode::group_count(std::string_view group) const {
  for (const GroupCount& one : groups) {
    if (*one.group == group) return one.tasks;
  }
  return 0;
}

std::uint32_t View::bucket_of(std::string_view id) const {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(id)) & (bucket_count_ - 1);
}

const ViewNode* View::find(std::string_view id) const {
  const Bucket* bucket = bucket_count_ == 0 ? nullptr : buckets_.at(bucket_of(id));
  if (bucket == nullptr) return nullptr;
  for (const std::uint32_t node : *bucket) {
    if (nodes_.at(node)->id == id) return nodes_.at(node);
  }
  return nullptr;
}

}  // namespace berth::placement
