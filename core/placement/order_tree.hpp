// SPDX-License-Identifier: Apache-2.0
// OrderTree: nodes in ascending order of one offer (the key), then of node order, each with its
// other offer; finds the first with at least so much of both.
//
// Nodes stand in blocks of up to 14, in any order within one, blocks in groups of up to 16, groups
// in one list. Each block and group knows the most of the other offer within it, so that a search
// goes past what cannot do. Several trees share a pool of blocks. Costs: a change moves one node,
// about 50 ns; a search finds its place by halving and then looks at one block for each hint.
// Memory: about 25 bytes a node. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/placement/lanes.hpp"
#include "core/placement/large_memory.hpp"

namespace berth::placement {

class OrderTree;

// Three lines of the cache.
struct alignas(64) OrderBlock {
  static constexpr std::uint32_t kSize = 14;
  static constexpr std::uint32_t kAll = (1u << kSize) - 1;
  // Sixteen are read at once: the last two of each array are the next one's.
  std::int32_t key[kSize];
  std::int32_t other[kSize];  // lanes::kNothing beyond `count`
  std::int32_t node[kSize];
  std::uint32_t group;
  std::uint16_t slot;  // of the group
  std::uint16_t count;
  std::uint8_t label[kSize];
  std::uint8_t unused[2];
};
static_assert(sizeof(OrderBlock) == 192);

struct alignas(64) OrderGroup {
  static constexpr std::uint32_t kSize = lanes::kWidth;
  // The lower bound of each block's entries, and of no entry before it: key, then node.
  std::int32_t first_key[kSize];  // INT32_MAX beyond `count`
  std::int32_t first_node[kSize];
  std::int32_t most[kSize];  // lanes::kNothing beyond `count`
  std::int32_t block[kSize];
  std::uint32_t count;
  OrderTree* tree;

  [[nodiscard]] std::int64_t first(std::uint32_t slot) const {
    return static_cast<std::int64_t>(first_key[slot]) * (std::int64_t{1} << 32) + first_node[slot];
  }
};

// The blocks and groups of several trees, and in which block each node stands.
class OrderPool {
 public:
  static constexpr std::uint32_t kNowhere = UINT32_MAX;

  explicit OrderPool(AdviseMemory advise = nullptr)
      : block_stack_(advise), group_stack_(advise), where_(LargeAllocator<std::uint32_t>(advise)) {}

  [[nodiscard]] OrderBlock& block(std::uint32_t at) { return block_stack_[at]; }
  [[nodiscard]] const OrderBlock& block(std::uint32_t at) const { return block_stack_[at]; }
  [[nodiscard]] OrderGroup& group(std::uint32_t at) { return group_stack_[at]; }
  [[nodiscard]] const OrderGroup& group(std::uint32_t at) const { return group_stack_[at]; }
  [[nodiscard]] std::uint32_t make_block(std::uint32_t group);
  [[nodiscard]] std::uint32_t make_group(OrderTree* tree);
  void free_block(std::uint32_t at) { free_blocks_.push_back(at); }
  void free_group(std::uint32_t at) { free_groups_.push_back(at); }

  void resize(std::size_t nodes) { where_.resize(nodes, kNowhere); }
  // The node's block, or kNowhere.
  [[nodiscard]] std::uint32_t where(std::uint32_t node) const { return where_[node]; }
  void set_where(std::uint32_t node, std::uint32_t block) { where_[node] = block; }
  // Have the lines at hand that `remove` will ask for: each the ones that the next one reads.
  void prefetch_where(std::uint32_t node) const { lanes::prefetch(&where_[node]); }
  void prefetch_block(std::uint32_t node) const;
  void prefetch_group(std::uint32_t node) const;
  // The tree the node is in. Requires: it is in one.
  [[nodiscard]] OrderTree& tree_of(std::uint32_t node) {
    return *group(block(where_[node]).group).tree;
  }
  [[nodiscard]] std::size_t bytes() const;

 private:
  Stack<OrderBlock> block_stack_;
  Stack<OrderGroup> group_stack_;
  std::uint32_t blocks_ = 0;
  std::uint32_t groups_ = 0;
  std::vector<std::uint32_t> free_blocks_;
  std::vector<std::uint32_t> free_groups_;
  LargeVector<std::uint32_t> where_;
};

struct OrderEntry {
  std::int32_t key = 0;
  std::int32_t other = 0;
  std::uint32_t node = 0;
  std::uint8_t label = 0;  // whatever the search shall know of the node at once
};

// Where an entry belongs. Others may come and go before it is inserted: then it is looked for
// again.
struct OrderPlace {
  std::size_t group = 0;
  std::uint32_t slot = 0;  // of the block in the group
};

class OrderTree {
 public:
  explicit OrderTree(OrderPool& pool) : pool_(pool) {}
  OrderTree(const OrderTree&) = delete;
  OrderTree& operator=(const OrderTree&) = delete;

  using Place = OrderPlace;
  // Has the block at hand that `insert` will most likely ask for.
  [[nodiscard]] Place prefetch_place(const OrderEntry& entry) const;
  // Requires: the node is in no tree of the pool.
  void insert(const OrderEntry& entry, Place hint = {});
  // Requires: the node is in this tree.
  void remove(std::uint32_t node);
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class OrderSearch;
  // Where an entry of this order belongs. Requires: there is a group.
  [[nodiscard]] Place locate(std::int64_t order) const;
  [[nodiscard]] bool is_place_of(std::int64_t order, Place at) const;
  [[nodiscard]] std::size_t position_of(const OrderGroup& group) const;
  void number_slots(const OrderGroup& group, std::uint32_t from);
  void split_block(Place at);
  void split_group(std::size_t at);
  void remove_block(std::size_t group_at, OrderGroup& group, std::uint32_t slot);
  void merge_with_next(OrderGroup& group, std::uint32_t slot);
  void raise_most(Place at, std::int32_t other);
  void lower_most(OrderGroup& group, std::uint32_t slot, std::int32_t gone);

  OrderPool& pool_;
  // By group, in order.
  std::vector<std::int64_t> first_;
  // Sixteen are read at once: after the last there are as many of lanes::kNothing.
  std::vector<std::int32_t> most_ = std::vector<std::int32_t>(lanes::kWidth, lanes::kNothing);
  std::vector<std::uint32_t> groups_;
};

// Goes through the nodes with at least so much of both, in order.
class OrderSearch {
 public:
  struct Question {
    std::int32_t least_key = 0;
    std::int32_t least_other = 0;
  };
  OrderSearch(const OrderTree& tree, Question question);

  // False: there is no more. Else key() and node() are the next one's.
  [[nodiscard]] bool next();
  [[nodiscard]] std::int32_t key() const { return block_->key[entry_]; }
  [[nodiscard]] std::uint32_t node() const {
    return static_cast<std::uint32_t>(block_->node[entry_]);
  }
  [[nodiscard]] std::uint8_t label() const { return block_->label[entry_]; }
  // Blocks looked at, so far.
  [[nodiscard]] std::uint32_t steps() const { return steps_; }

 private:
  [[nodiscard]] bool next_block();
  void take_least();

  const OrderTree& tree_;
  const OrderPool& pool_;
  Question question_;
  std::size_t group_ = 0;
  std::uint32_t blocks_ = 0;   // of the group: hints still to come
  std::uint32_t entries_ = 0;  // of the block: answers still to come
  const OrderBlock* block_ = nullptr;
  std::uint32_t entry_ = 0;
  std::uint32_t steps_ = 0;
};

}  // namespace berth::placement
