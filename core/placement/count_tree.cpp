// SPDX-License-Identifier: Apache-2.0
#include "core/placement/count_tree.hpp"

#include "core/placement/lanes.hpp"

namespace berth::placement {

void CountTree::resize(std::size_t nodes) {
  std::size_t size = nodes;
  bool grew = false;
  for (std::size_t l = 0; l == 0 || size > 1; ++l) {
    const std::size_t padded = (size + lanes::kWidth - 1) / lanes::kWidth * lanes::kWidth;
    if (l == levels_.size()) levels_.emplace_back();
    if (levels_[l].size() < padded) {
      levels_[l].resize(padded);
      grew = true;
    }
    size = padded / lanes::kWidth;
  }
  if (grew) finish();
}

void CountTree::add(std::uint32_t node, std::int32_t more) {
  levels_[0][node] += more;
  std::size_t at = node;
  for (std::size_t l = 1; l < levels_.size(); ++l) {
    at /= lanes::kWidth;
    const std::int32_t least = lanes::least(levels_[l - 1].data() + at * lanes::kWidth);
    if (levels_[l][at] == least) return;
    levels_[l][at] = least;
  }
}

void CountTree::finish() {
  for (std::size_t l = 1; l < levels_.size(); ++l) {
    for (std::size_t i = 0; i < levels_[l - 1].size() / lanes::kWidth; ++i) {
      levels_[l][i] = lanes::least(levels_[l - 1].data() + i * lanes::kWidth);
    }
  }
}

std::size_t CountTree::bytes() const {
  std::size_t out = 0;
  for (const auto& level : levels_) out += level.capacity() * sizeof(std::int32_t);
  return out;
}

}  // namespace berth::placement
