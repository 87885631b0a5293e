// SPDX-License-Identifier: Apache-2.0
#include "core/placement/node_index.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "core/placement/lanes.hpp"
#include "core/placement/narrow.hpp"

namespace berth::placement {
namespace {

// Requires: few enough values.
std::size_t parts_of(const Books& books, Parting parting) {
  return parting ? books.tally().values(*parting).end() : 1;
}

// More changes than this take longer one by one than building anew.
std::size_t most_dirty(const Books& books) {
  return 64 + books.node_end() / 8;
}

std::uint32_t part_of(const Books& books, Parting parting, std::uint32_t node) {
  return parting ? books.tally().values(*parting).of_class(books.class_number(node)) : 0;
}

template <typename Visit>
void each_of(std::uint64_t positions, const Visit& visit) {
  for (; positions != 0; positions &= positions - 1)
    visit(static_cast<std::uint32_t>(std::countr_zero(positions)));
}

}  // namespace

// ---- NodeColumns

void NodeColumns::fetch(const void* whose, std::uint32_t node) {
  const auto& columns = *static_cast<const NodeColumns*>(whose);
  if (node >= columns.cpu_.size()) return;
  lanes::prefetch(&columns.cpu_[node]);
  lanes::prefetch(&columns.memory_[node]);
  lanes::prefetch(&columns.class_[node]);
}

void NodeColumns::refresh_node(std::uint32_t node) {
  cpu_[node] = books_.cpu_offer(node);
  memory_[node] = books_.memory_offer(node);
  class_[node] = static_cast<std::int32_t>(books_.class_number(node));
  if (narrow_cpu_.empty()) return;
  narrow_cpu_[node] = narrow_of(cpu_[node]);
  narrow_memory_[node] = narrow_of(memory_[node]);
}

void NodeColumns::make_room() {
  const std::size_t size = books_.padded();
  cpu_.resize(size, lanes::kNothing);
  memory_.resize(size, lanes::kNothing);
  class_.resize(size);
  narrow_cpu_.resize(size <= kMostNarrow ? size : 0);
  narrow_memory_.resize(narrow_cpu_.size());
}

void NodeColumns::refresh() {
  if (!dirty_.all() && dirty_.nodes().empty()) return;
  if (cpu_.size() < books_.padded()) make_room();
  if (dirty_.all()) {
    for (std::uint32_t node = 0; node < books_.node_end(); ++node) refresh_node(node);
  } else {
    for (const std::uint32_t node : dirty_.nodes()) refresh_node(node);
  }
  dirty_.clear(most_dirty(books_));
}

std::size_t NodeColumns::bytes() const {
  return (cpu_.capacity() + memory_.capacity() + class_.capacity()) * sizeof(std::int32_t) +
         (narrow_cpu_.capacity() + narrow_memory_.capacity()) * sizeof(std::uint16_t) +
         dirty_.bytes();
}

// ---- FitIndex

FitIndex::FitIndex(Books& books, const NodeColumns& columns, const FitSteps& steps, Parting parting)
    : books_(books), columns_(columns), steps_(steps), parting_(parting), dirty_(fetch, this) {
  books_.watch(&dirty_);
}
FitIndex::~FitIndex() {
  books_.unwatch(&dirty_);
}

void FitIndex::fetch(const void* whose, std::uint32_t node) {
  static_cast<const FitIndex*>(whose)->pending_.prefetch(node);
}

void FitIndex::make_room() {
  const std::size_t parts = parts_of(books_, parting_);
  while (trees_.size() < parts) trees_.emplace_back(steps_);
  for (FitTree& tree : trees_) tree.resize(books_.padded());
  codes_.resize(books_.padded());
  if (parting_) part_of_.resize(books_.padded());
  pending_.resize(books_.padded());
}

void FitIndex::look_at(std::uint32_t node) {
  codes_[node] = {code_of(columns_.cpu()[node]), code_of(columns_.memory()[node])};
  // Where a node offers nothing it does not matter of which part it is, and its class may be
  // unknown.
  if (parting_ && codes_[node].cpu != 0)
    part_of_[node] = static_cast<std::uint8_t>(placement::part_of(books_, parting_, node));
}

std::uint32_t FitIndex::members(std::uint32_t block, std::uint8_t part) const {
  if (!parting_) return 0xFFFFu;
  return lanes::equal(part_of_.data() + std::size_t{block} * lanes::kWidth, part);
}

void FitIndex::build() {
  trees_.clear();
  steps_version_ = steps_.version();
  pending_.clear();
  make_room();
  for (std::uint32_t node = 0; node < books_.node_end(); ++node) look_at(node);
  for (std::uint32_t node = 0; node < books_.node_end(); node += lanes::kWidth) {
    const std::uint32_t block = node / lanes::kWidth;
    for (std::size_t part = 0; part < trees_.size(); ++part)
      trees_[part].set(block, codes_.data() + node,
                       members(block, static_cast<std::uint8_t>(part)));
  }
  dirty_.clear(most_dirty(books_));
}

void FitIndex::refresh_node(std::uint32_t node) {
  const std::uint32_t block = node / lanes::kWidth;
  const FitCode* codes = codes_.data() + std::size_t{block} * lanes::kWidth;
  const FitCode before = codes_[node];
  const std::uint8_t part_before = parting_ ? part_of_[node] : 0;
  look_at(node);
  const std::uint8_t part = parting_ ? part_of_[node] : 0;
  if (part == part_before) {
    trees_[part].change(block, before, codes_[node], codes, members(block, part));
  } else {
    trees_[part_before].set(block, codes, members(block, part_before));
    trees_[part].set(block, codes, members(block, part));
  }
}

void FitIndex::note(std::uint32_t node) {
  if (!pending_.has_room_for(node)) take_in(pending_.next_to_go());
  PendingNodes::Entry now{.node = node};
  now.cpu = columns_.cpu()[node];
  now.memory = columns_.memory()[node];
  const bool is_here = now.cpu != lanes::kNothing;
  if (parting_ && is_here)
    now.part = static_cast<std::uint8_t>(placement::part_of(books_, parting_, node));
  pending_.note(now);
  // Searches go by `part_of_`, too.
  if (parting_ && is_here && part_of_[node] != now.part) take_in(pending_.used());
}

// In rounds, the first of which has the lines at hand that the second one reads.
void FitIndex::take_in(std::uint64_t positions) {
  each_of(positions, [&](std::uint32_t at) {
    const std::uint32_t node = pending_.node(at);
    lanes::prefetch(&codes_[node]);
    const std::uint8_t part = parting_ ? part_of_[node] : 0;
    if (part < trees_.size()) trees_[part].prefetch(node / lanes::kWidth);
  });
  each_of(positions, [&](std::uint32_t at) { refresh_node(pending_.node(at)); });
  pending_.remove(positions);
}

void FitIndex::refresh() {
  if (dirty_.all() || steps_version_ != steps_.version()) {
    build();
    return;
  }
  if (dirty_.nodes().empty()) return;
  if (codes_.size() < books_.padded() || trees_.size() < parts_of(books_, parting_)) make_room();
  for (const std::uint32_t node : dirty_.nodes()) note(node);
  dirty_.clear(most_dirty(books_));
}

std::size_t FitIndex::bytes() const {
  std::size_t out =
      dirty_.bytes() + pending_.bytes() + part_of_.capacity() + codes_.capacity() * sizeof(FitCode);
  for (const FitTree& tree : trees_) out += tree.bytes();
  return out;
}

// ---- OrderIndex

OrderIndex::OrderIndex(Books& books, ColumnId key, Parting parting)
    : books_(books), key_(key), parting_(parting), dirty_(fetch, this) {
  books_.watch(&dirty_);
}
OrderIndex::~OrderIndex() {
  books_.unwatch(&dirty_);
}

void OrderIndex::fetch(const void* whose, std::uint32_t node) {
  static_cast<const OrderIndex*>(whose)->pending_.prefetch(node);
}

PendingNodes::Entry OrderIndex::look_at(std::uint32_t node) const {
  PendingNodes::Entry out{.node = node};
  out.cpu = books_.cpu_offer(node);
  if (out.cpu == lanes::kNothing) return out;
  out.memory = books_.memory_offer(node);
  out.part = static_cast<std::uint8_t>(part_of(books_, parting_, node));
  out.label =
      static_cast<std::uint8_t>(std::min<std::uint32_t>(books_.class_number(node), kLaterClass));
  return out;
}

OrderEntry OrderIndex::entry_of(const PendingNodes::Entry& pending) const {
  const bool by_cpu = key_ == kCpuColumn;
  return {by_cpu ? pending.cpu : pending.memory, by_cpu ? pending.memory : pending.cpu,
          pending.node, pending.label};
}

void OrderIndex::make_room() {
  const std::size_t parts = parts_of(books_, parting_);
  while (trees_.size() < parts) trees_.emplace_back(*pool_);
  pool_->resize(books_.node_end());
  pending_.resize(books_.node_end());
}

void OrderIndex::build() {
  trees_.clear();
  pool_ = std::make_unique<OrderPool>(books_.advise_memory());
  pending_.clear();
  make_room();
  for (std::uint32_t node = 0; node < books_.node_end(); ++node) {
    const PendingNodes::Entry now = look_at(node);
    if (now.cpu != lanes::kNothing) trees_[now.part].insert(entry_of(now));
  }
  dirty_.clear(most_dirty(books_));
}

// In rounds, each of which has the lines at hand that the next one reads.
void OrderIndex::take_in(std::uint64_t positions) {
  each_of(positions, [&](std::uint32_t at) { pool_->prefetch_where(pending_.node(at)); });
  each_of(positions, [&](std::uint32_t at) { pool_->prefetch_block(pending_.node(at)); });
  each_of(positions, [&](std::uint32_t at) { pool_->prefetch_group(pending_.node(at)); });
  each_of(positions, [&](std::uint32_t at) {
    const std::uint32_t node = pending_.node(at);
    if (pool_->where(node) != OrderPool::kNowhere) pool_->tree_of(node).remove(node);
  });
  std::array<OrderPlace, PendingNodes::kSize> places;
  std::uint64_t here = 0;
  each_of(positions, [&](std::uint32_t at) {
    if (pending_.cpu(at) == lanes::kNothing) return;
    here |= std::uint64_t{1} << at;
    places[at] = trees_[pending_.part(at)].prefetch_place(entry_of(pending_.entry(at)));
  });
  each_of(here, [&](std::uint32_t at) {
    trees_[pending_.part(at)].insert(entry_of(pending_.entry(at)), places[at]);
  });
  pending_.remove(positions);
}

void OrderIndex::refresh() {
  if (dirty_.all()) {
    build();
    return;
  }
  if (dirty_.nodes().empty()) return;
  make_room();
  for (const std::uint32_t node : dirty_.nodes()) {
    if (!pending_.has_room_for(node)) take_in(pending_.next_to_go());
    pending_.note(look_at(node));
  }
  dirty_.clear(most_dirty(books_));
}

std::size_t OrderIndex::bytes() const {
  std::size_t out = dirty_.bytes() + pending_.bytes() + (pool_ == nullptr ? 0 : pool_->bytes());
  for (const OrderTree& tree : trees_) out += tree.bytes();
  return out;
}

// ---- All of them

const FitIndex& NodeIndexes::fit(Parting parting) {
  columns_.refresh();
  auto at = std::find_if(fits_.begin(), fits_.end(),
                         [&](const auto& one) { return one->parting() == parting; });
  if (at == fits_.end()) {
    fits_.push_back(std::make_unique<FitIndex>(books_, columns_, steps_, parting));
    at = fits_.end() - 1;
  }
  (*at)->refresh();
  return **at;
}

const OrderIndex& NodeIndexes::order(ColumnId key, Parting parting) {
  auto at = std::find_if(orders_.begin(), orders_.end(), [&](const auto& one) {
    return one->key() == key && one->parting() == parting;
  });
  if (at == orders_.end()) {
    orders_.push_back(std::make_unique<OrderIndex>(books_, key, parting));
    at = orders_.end() - 1;
  }
  (*at)->refresh();
  return **at;
}

void NodeIndexes::forget(Tally::Slot slot) {
  std::erase_if(fits_, [&](const auto& one) { return one->parting() == slot; });
  std::erase_if(orders_, [&](const auto& one) { return one->parting() == slot; });
}

std::size_t NodeIndexes::bytes() const {
  std::size_t out = columns_.bytes();
  for (const auto& one : fits_) out += one->bytes();
  for (const auto& one : orders_) out += one->bytes();
  return out;
}

}  // namespace berth::placement
