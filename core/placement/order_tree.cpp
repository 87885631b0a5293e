// SPDX-License-Identifier: Apache-2.0
#include "core/placement/order_tree.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace berth::placement {
namespace {

std::int64_t order_of(std::int32_t key, std::uint32_t node) {
  return static_cast<std::int64_t>(key) * (std::int64_t{1} << 32) + node;
}

// Opens a gap at `at`, or closes it.
template <typename T>
void open(T* array, std::uint32_t at, std::uint32_t count) {
  std::memmove(array + at + 1, array + at, (count - at) * sizeof(T));
}
template <typename T>
void close(T* array, std::uint32_t at, std::uint32_t count) {
  std::memmove(array + at, array + at + 1, (count - at - 1) * sizeof(T));
}

void clear(OrderBlock& block) {
  std::fill_n(block.other, OrderBlock::kSize, lanes::kNothing);
  std::fill_n(block.node, OrderBlock::kSize, -1);
  block.count = 0;
}

void put(OrderBlock& block, const OrderEntry& entry) {
  block.key[block.count] = entry.key;
  block.other[block.count] = entry.other;
  block.node[block.count] = static_cast<std::int32_t>(entry.node);
  block.label[block.count] = entry.label;
  ++block.count;
}

OrderEntry entry_of(const OrderBlock& block, std::uint32_t at) {
  return {block.key[at], block.other[at], static_cast<std::uint32_t>(block.node[at]),
          block.label[at]};
}

void set_first(OrderGroup& group, std::uint32_t slot, std::int64_t order) {
  group.first_key[slot] = static_cast<std::int32_t>(order >> 32);
  group.first_node[slot] = static_cast<std::int32_t>(order & 0x7FFFFFFF);
}

// The last of `count` ascending numbers that is not above `order`, or the first.
std::size_t last_not_above(const std::int64_t* numbers, std::size_t count, std::int64_t order) {
  // Without branches, since the answers are as good as random; in quarters, since loads that do not
  // wait for each other cost as much as one.
  std::size_t base = 0;
  std::size_t length = count;
  while (length > 4) {
    const std::size_t quarter = length / 4;
    const std::size_t passed = std::size_t{numbers[base + quarter] <= order} +
                               std::size_t{numbers[base + 2 * quarter] <= order} +
                               std::size_t{numbers[base + 3 * quarter] <= order};
    base += passed * quarter;
    length = passed == 3 ? length - 3 * quarter : quarter;
  }
  std::size_t out = base;
  for (std::size_t i = 1; i < length; ++i) out += std::size_t{numbers[base + i] <= order};
  return out;
}

// The most of the other offer in a block.
std::int32_t most_of(const OrderBlock& block) {
  std::int32_t out = block.other[0];
  for (std::uint32_t i = 1; i < OrderBlock::kSize; ++i) out = std::max(out, block.other[i]);
  return out;
}

}  // namespace

// ---- The pool

std::uint32_t OrderPool::make_block(std::uint32_t group) {
  std::uint32_t at = blocks_;
  if (free_blocks_.empty()) {
    if (blocks_ == block_stack_.size()) block_stack_.grow(1);
    ++blocks_;
  } else {
    at = free_blocks_.back();
    free_blocks_.pop_back();
  }
  OrderBlock& made = block(at);
  clear(made);
  made.group = group;
  return at;
}

std::uint32_t OrderPool::make_group(OrderTree* tree) {
  std::uint32_t at = groups_;
  if (free_groups_.empty()) {
    if (groups_ == group_stack_.size()) group_stack_.grow(1);
    ++groups_;
  } else {
    at = free_groups_.back();
    free_groups_.pop_back();
  }
  OrderGroup& made = group(at);
  std::fill_n(made.most, OrderGroup::kSize, lanes::kNothing);
  std::fill_n(made.block, OrderGroup::kSize, -1);
  made.count = 0;
  made.tree = tree;
  return at;
}

void OrderPool::prefetch_block(std::uint32_t node) const {
  if (where_[node] == kNowhere) return;
  const auto* lines = reinterpret_cast<const char*>(&block(where_[node]));
  for (std::size_t line = 0; line < sizeof(OrderBlock); line += 64) lanes::prefetch(lines + line);
}

void OrderPool::prefetch_group(std::uint32_t node) const {
  if (where_[node] == kNowhere) return;
  const OrderGroup& of = group(block(where_[node]).group);
  lanes::prefetch(of.most);
  lanes::prefetch(&of.count);
}

std::size_t OrderPool::bytes() const {
  return block_stack_.bytes() + group_stack_.bytes() + where_.capacity() * sizeof(std::uint32_t) +
         (free_blocks_.capacity() + free_groups_.capacity()) * sizeof(std::uint32_t);
}

// ---- The tree

OrderTree::Place OrderTree::locate(std::int64_t order) const {
  Place out{last_not_above(first_.data(), first_.size(), order), 0};
  const OrderGroup& group = pool_.group(groups_[out.group]);
  const auto key = static_cast<std::int32_t>(order >> 32);
  const std::uint32_t used = (1u << group.count) - 1;
  std::uint32_t not_above =
      used & (key == INT32_MAX ? ~0u : ~lanes::at_least(group.first_key, key + 1));
  // Many blocks may begin with the same key: then the node decides.
  const std::uint32_t same = not_above & lanes::at_least(group.first_key, key);
  if (same != 0) {
    const auto node = static_cast<std::int32_t>(order & 0x7FFFFFFF);
    not_above &= ~same | ~lanes::at_least(group.first_node, node + 1);
  }
  out.slot = not_above == 0 ? 0 : 31u - static_cast<std::uint32_t>(std::countl_zero(not_above));
  return out;
}

std::size_t OrderTree::position_of(const OrderGroup& group) const {
  return last_not_above(first_.data(), first_.size(), group.first(0));
}

void OrderTree::raise_most(Place at, std::int32_t other) {
  OrderGroup& group = pool_.group(groups_[at.group]);
  group.most[at.slot] = std::max(group.most[at.slot], other);
  most_[at.group] = std::max(most_[at.group], other);
}

bool OrderTree::is_place_of(std::int64_t order, Place at) const {
  if (at.group >= groups_.size()) return false;
  const OrderGroup& group = pool_.group(groups_[at.group]);
  if (at.slot >= group.count || order < group.first(at.slot)) return false;
  if (at.slot + 1 < group.count) return order < group.first(at.slot + 1);
  return at.group + 1 == groups_.size() || order < first_[at.group + 1];
}

void OrderTree::insert(const OrderEntry& entry, Place hint) {
  const std::int64_t order = order_of(entry.key, entry.node);
  if (groups_.empty()) {
    const std::uint32_t group_at = pool_.make_group(this);
    OrderGroup& group = pool_.group(group_at);
    group.block[0] = static_cast<std::int32_t>(pool_.make_block(group_at));
    set_first(group, 0, order);
    group.count = 1;
    number_slots(group, 0);
    groups_.push_back(group_at);
    first_.push_back(order);
    most_.insert(most_.begin(), lanes::kNothing);
  }
  Place at = is_place_of(order, hint) ? hint : locate(order);
  if (pool_.block(static_cast<std::uint32_t>(pool_.group(groups_[at.group]).block[at.slot]))
          .count == OrderBlock::kSize) {
    split_block(at);
    at = locate(order);
  }
  OrderGroup& group = pool_.group(groups_[at.group]);
  const auto block_at = static_cast<std::uint32_t>(group.block[at.slot]);
  OrderBlock& block = pool_.block(block_at);
  put(block, entry);
  pool_.set_where(entry.node, block_at);
  if (order < group.first(at.slot)) {  // only before the first of all
    set_first(group, 0, order);
    first_[at.group] = order;
  }
  raise_most(at, entry.other);
}

OrderTree::Place OrderTree::prefetch_place(const OrderEntry& entry) const {
  if (groups_.empty()) return {};
  const Place at = locate(order_of(entry.key, entry.node));
  const OrderGroup& group = pool_.group(groups_[at.group]);
  const auto block_at = static_cast<std::uint32_t>(group.block[at.slot]);
  const auto* lines = reinterpret_cast<const char*>(&pool_.block(block_at));
  for (std::size_t line = 0; line < sizeof(OrderBlock); line += 64) lanes::prefetch(lines + line);
  return at;
}

void OrderTree::number_slots(const OrderGroup& group, std::uint32_t from) {
  for (std::uint32_t slot = from; slot < group.count; ++slot) {
    pool_.block(static_cast<std::uint32_t>(group.block[slot])).slot =
        static_cast<std::uint16_t>(slot);
  }
}

void OrderTree::split_block(Place at) {
  if (pool_.group(groups_[at.group]).count == OrderGroup::kSize) {
    split_group(at.group);
    if (at.slot >= OrderGroup::kSize / 2) {
      at.slot -= OrderGroup::kSize / 2;
      ++at.group;
    }
  }
  const std::uint32_t group_at = groups_[at.group];
  const std::uint32_t upper_at = pool_.make_block(group_at);
  OrderGroup& group = pool_.group(group_at);
  OrderBlock& lower = pool_.block(static_cast<std::uint32_t>(group.block[at.slot]));
  OrderBlock& upper = pool_.block(upper_at);
  // The greater half.
  constexpr std::uint32_t kHalf = OrderBlock::kSize / 2;
  std::array<OrderEntry, OrderBlock::kSize> entries;
  for (std::uint32_t i = 0; i < OrderBlock::kSize; ++i) {
    entries[i] = entry_of(lower, i);
  }
  std::nth_element(entries.begin(), entries.begin() + kHalf, entries.end(),
                   [](const OrderEntry& a, const OrderEntry& b) {
                     return order_of(a.key, a.node) < order_of(b.key, b.node);
                   });
  clear(lower);
  for (std::uint32_t i = 0; i < kHalf; ++i) put(lower, entries[i]);
  for (std::uint32_t i = kHalf; i < OrderBlock::kSize; ++i) {
    put(upper, entries[i]);
    pool_.set_where(entries[i].node, upper_at);
  }
  open(group.first_key, at.slot + 1, group.count);
  open(group.first_node, at.slot + 1, group.count);
  open(group.most, at.slot + 1, group.count);
  open(group.block, at.slot + 1, group.count);
  ++group.count;
  set_first(group, at.slot + 1, order_of(entries[kHalf].key, entries[kHalf].node));
  group.block[at.slot + 1] = static_cast<std::int32_t>(upper_at);
  number_slots(group, at.slot + 1);
  group.most[at.slot] = most_of(lower);
  group.most[at.slot + 1] = most_of(upper);
}

void OrderTree::split_group(std::size_t at) {
  constexpr std::uint32_t kHalfGroup = OrderGroup::kSize / 2;
  const std::uint32_t upper_at = pool_.make_group(this);
  OrderGroup& lower = pool_.group(groups_[at]);
  OrderGroup& upper = pool_.group(upper_at);
  std::copy_n(lower.first_key + kHalfGroup, kHalfGroup, upper.first_key);
  std::copy_n(lower.first_node + kHalfGroup, kHalfGroup, upper.first_node);
  std::copy_n(lower.most + kHalfGroup, kHalfGroup, upper.most);
  std::copy_n(lower.block + kHalfGroup, kHalfGroup, upper.block);
  std::fill_n(lower.most + kHalfGroup, kHalfGroup, lanes::kNothing);
  std::fill_n(lower.block + kHalfGroup, kHalfGroup, -1);
  lower.count = kHalfGroup;
  upper.count = kHalfGroup;
  for (std::uint32_t i = 0; i < kHalfGroup; ++i) {
    pool_.block(static_cast<std::uint32_t>(upper.block[i])).group = upper_at;
  }
  number_slots(upper, 0);
  const auto after = static_cast<std::ptrdiff_t>(at) + 1;
  first_.insert(first_.begin() + after, upper.first(0));
  groups_.insert(groups_.begin() + after, upper_at);
  most_[at] = lanes::greatest(lower.most);
  most_.insert(most_.begin() + after, lanes::greatest(upper.most));
}

void OrderTree::remove(std::uint32_t node) {
  const std::uint32_t block_at = pool_.where(node);
  OrderBlock& block = pool_.block(block_at);
  OrderGroup& group = pool_.group(block.group);
  const auto at = static_cast<std::uint32_t>(std::countr_zero(
      lanes::equal(block.node, static_cast<std::int32_t>(node)) & OrderBlock::kAll));
  const std::int32_t gone = block.other[at];
  const std::uint32_t last = --block.count;
  block.key[at] = block.key[last];
  block.other[at] = block.other[last];
  block.node[at] = block.node[last];
  block.label[at] = block.label[last];
  block.other[block.count] = lanes::kNothing;
  block.node[block.count] = -1;
  pool_.set_where(node, OrderPool::kNowhere);
  const std::uint32_t slot = block.slot;
  lower_most(group, slot, gone);
  if (block.count == 0) {
    remove_block(position_of(group), group, slot);
  } else if (block.count < OrderBlock::kSize / 4) {
    merge_with_next(group, slot);
  }
}

void OrderTree::lower_most(OrderGroup& group, std::uint32_t slot, std::int32_t gone) {
  if (gone < group.most[slot]) return;
  const std::int32_t most = most_of(pool_.block(static_cast<std::uint32_t>(group.block[slot])));
  if (most == gone) return;
  group.most[slot] = most;
  const std::size_t at = position_of(group);
  if (gone == most_[at]) most_[at] = lanes::greatest(group.most);
}

void OrderTree::remove_block(std::size_t group_at, OrderGroup& group, std::uint32_t slot) {
  pool_.free_block(static_cast<std::uint32_t>(group.block[slot]));
  // The group's own lower bound stays where it is, so that the order of groups does.
  const std::int64_t first = group.first(0);
  close(group.first_key, slot, group.count);
  close(group.first_node, slot, group.count);
  close(group.most, slot, group.count);
  close(group.block, slot, group.count);
  --group.count;
  group.most[group.count] = lanes::kNothing;
  group.block[group.count] = -1;
  if (group.count > 0) {
    set_first(group, 0, first);
    number_slots(group, slot);
    return;
  }
  const auto at = static_cast<std::ptrdiff_t>(group_at);
  pool_.free_group(groups_[group_at]);
  first_.erase(first_.begin() + at);
  most_.erase(most_.begin() + at);
  groups_.erase(groups_.begin() + at);
}

void OrderTree::merge_with_next(OrderGroup& group, std::uint32_t slot) {
  if (slot + 1 >= group.count) return;
  const auto block_at = static_cast<std::uint32_t>(group.block[slot]);
  OrderBlock& block = pool_.block(block_at);
  OrderBlock& next = pool_.block(static_cast<std::uint32_t>(group.block[slot + 1]));
  if (block.count + next.count > OrderBlock::kSize * 3 / 4) return;
  for (std::uint32_t i = 0; i < next.count; ++i) {
    put(block, entry_of(next, i));
    pool_.set_where(static_cast<std::uint32_t>(next.node[i]), block_at);
  }
  group.most[slot] = std::max(group.most[slot], group.most[slot + 1]);
  remove_block(position_of(group), group, slot + 1);
}

std::size_t OrderTree::bytes() const {
  return first_.capacity() * (sizeof(std::int64_t) + sizeof(std::int32_t) + sizeof(std::uint32_t));
}

// ---- The search

OrderSearch::OrderSearch(const OrderTree& tree, Question question)
    : tree_(tree), pool_(tree.pool_), question_(question) {
  if (tree_.groups_.empty()) return;
  const OrderTree::Place at = tree_.locate(order_of(question.least_key, 0));
  group_ = at.group;
  const OrderGroup& group = pool_.group(tree_.groups_[group_]);
  block_ = &pool_.block(static_cast<std::uint32_t>(group.block[at.slot]));
  entries_ = OrderBlock::kAll &
             lanes::at_least(block_->key, question.least_key, block_->other, question.least_other);
  const std::uint32_t later = ~0u << (at.slot + 1);
  blocks_ = lanes::at_least(group.most, question.least_other) & later;
  steps_ = 1;
}

bool OrderSearch::next_block() {
  while (blocks_ == 0) {
    ++group_;
    std::uint32_t hints = 0;
    while (group_ < tree_.groups_.size()) {  // many in a row, where the other offer is scarce
      hints = lanes::at_least(tree_.most_.data() + group_, question_.least_other);
      if (hints != 0) break;
      group_ += lanes::kWidth;
    }
    if (hints == 0) return false;
    group_ += static_cast<std::size_t>(std::countr_zero(hints));
    ++steps_;
    blocks_ = lanes::at_least(pool_.group(tree_.groups_[group_]).most, question_.least_other);
  }
  const auto slot = static_cast<std::uint32_t>(std::countr_zero(blocks_));
  blocks_ &= blocks_ - 1;
  const OrderGroup& group = pool_.group(tree_.groups_[group_]);
  block_ = &pool_.block(static_cast<std::uint32_t>(group.block[slot]));
  entries_ = OrderBlock::kAll & lanes::at_least(block_->other, question_.least_other);
  ++steps_;
  return true;
}

bool OrderSearch::next() {
  if (tree_.groups_.empty()) return false;
  while (entries_ == 0) {
    if (!next_block()) return false;
  }
  take_least();
  return true;
}

// Of the block's answers still to come.
void OrderSearch::take_least() {
  std::uint32_t rest = entries_;
  entry_ = static_cast<std::uint32_t>(std::countr_zero(rest));
  for (rest &= rest - 1; rest != 0; rest &= rest - 1) {
    const auto at = static_cast<std::uint32_t>(std::countr_zero(rest));
    const bool is_less =
        block_->key[at] < block_->key[entry_] ||
        (block_->key[at] == block_->key[entry_] && block_->node[at] < block_->node[entry_]);
    entry_ = is_less ? at : entry_;
  }
  entries_ &= ~(1u << entry_);
}

}  // namespace berth::placement
