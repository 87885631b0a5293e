// SPDX-License-Identifier: Apache-2.0
// DirtyNodes: nodes that changed since an index last looked; one may be there several times.
//
// Once they are so many that looking at all nodes is cheaper, it only knows "all". Threads: one at
// a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace berth::placement {

class DirtyNodes {
 public:
  // Told of each node that is marked while they are few, so that it fetches what looking at the
  // node will need.
  using Ahead = void (*)(const void* whose, std::uint32_t node);
  DirtyNodes() = default;
  DirtyNodes(Ahead ahead, const void* whose) : ahead_(ahead), whose_(whose) {}

  void mark(std::uint32_t node) {
    if (all_ || (count_ > 0 && nodes_[count_ - 1] == node)) return;
    if (count_ == nodes_.size()) {
      mark_all();
      return;
    }
    nodes_[count_++] = node;
    if (ahead_ != nullptr) ahead_(whose_, node);
  }
  void mark_all() {
    all_ = true;
    count_ = 0;
    nodes_ = {};
  }
  [[nodiscard]] bool all() const { return all_; }
  [[nodiscard]] std::span<const std::uint32_t> nodes() const { return {nodes_.data(), count_}; }
  // Looked at, all of them. `most`: how many to note before it is all.
  void clear(std::size_t most) {
    count_ = 0;
    all_ = false;
    if (nodes_.size() < most) nodes_.resize(most * 5 / 4);
  }
  [[nodiscard]] std::size_t bytes() const { return nodes_.capacity() * sizeof(std::uint32_t); }

 private:
  bool all_ = true;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> nodes_;
  Ahead ahead_ = nullptr;
  const void* whose_ = nullptr;
};

}  // namespace berth::placement
