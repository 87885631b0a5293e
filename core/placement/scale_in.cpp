// SPDX-License-Identifier: Apache-2.0
#include "core/placement/scale_in.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/placement/dice.hpp"

namespace berth::placement {
namespace {

// What each strategy says of a candidate: the greater, the rather it is stopped.
using Key = std::array<std::int64_t, kMaxStrategies>;

struct Candidate {
  ReservationId id = ReservationId::None;
  std::uint32_t place = 0;  // of its node, among those with candidates
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  bool chosen = false;
};

struct Place {
  std::uint32_t cell = 0;
  std::uint32_t version = 0;  // of the keys of its candidates
  std::int64_t tasks = 0;     // of the set
  std::int64_t cpu_left = 0;
  std::int64_t memory_left = 0;
  std::vector<std::uint32_t> candidates{};
};

struct Entry {
  Key key{};  // 0 for strategies that spread over an attribute
  std::uint32_t candidate = 0;
  std::uint32_t version = 0;
};

// The candidates whose nodes have the same values of all attributes that are spread over. What such
// a strategy says is the same for all of them, so that their order among each other changes only
// where one of them is chosen: on its node.
struct Cell {
  std::array<std::uint32_t, kMaxStrategies> values{};  // by strategy, an index into loads
  std::vector<Entry> heap{};
};

bool comes_later(const Entry& a, const Entry& b) {
  return a.key != b.key ? a.key < b.key : a.candidate > b.candidate;
}

class ScaleIn {
 public:
  ScaleIn(const Compiled& compiled, const Books& books, const StopQuestion& question)
      : compiled_(compiled), books_(books), dice_(question.dice) {
    for (const ReservationId id : question.candidates) add(id);
    for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
      const Place& place = places_[candidates_[i].place];
      cells_[place.cell].heap.push_back({key_of(i), i, place.version});
    }
    for (Cell& cell : cells_) std::make_heap(cell.heap.begin(), cell.heap.end(), comes_later);
  }

  // Nothing where no candidate is left.
  ReservationId choose_one() {
    Cell* best = nullptr;
    Entry best_entry;
    for (Cell& cell : cells_) {
      drop_stale(cell);
      if (cell.heap.empty()) continue;
      Entry entry = cell.heap.front();
      for (std::size_t s = 0; s < strategies().size(); ++s) {
        if (is_spread(s)) entry.key[s] = loads_[s][cell.values[s]];
      }
      if (best != nullptr && !comes_later(best_entry, entry)) continue;
      best = &cell;
      best_entry = entry;
    }
    return best == nullptr ? ReservationId::None : take(*best, best_entry.candidate);
  }

 private:
  [[nodiscard]] const std::vector<Strategy>& strategies() const { return compiled_.strategies; }
  [[nodiscard]] bool is_spread(std::size_t s) const {
    return strategies()[s].kind == Strategy::Kind::SpreadAttribute;
  }

  void add(ReservationId id) {
    const TaskRecord* task = books_.find(id);
    if (task == nullptr || task->counted == 0 || !known_.insert(id).second) return;
    const bool by_group = compiled_.counted_kind == Tally::Kind::Group;
    const TaskKind& kind = books_.kind_of(*task);
    if ((by_group ? kind.group : kind.service) != compiled_.counted) return;
    const Holding& held = books_.holdings().at(kind.holding);
    const std::uint32_t place = place_of(Books::node_of(id));
    places_[place].candidates.push_back(static_cast<std::uint32_t>(candidates_.size()));
    candidates_.push_back(
        {.id = id, .place = place, .cpu = held.cpu, .memory_mib = held.memory_mib});
  }

  std::uint32_t place_of(std::uint32_t node) {
    const auto next = static_cast<std::uint32_t>(places_.size());
    const auto [at, is_new] = place_numbers_.try_emplace(node, next);
    if (!is_new) return at->second;
    places_.push_back({.cell = cell_of(node),
                       .tasks = books_.count(compiled_.counted_kind, compiled_.counted, node),
                       .cpu_left = books_.left(kCpuColumn, node),
                       .memory_left = books_.left(kMemoryColumn, node)});
    return next;
  }

  std::uint32_t cell_of(std::uint32_t node) {
    Cell cell;
    std::string name;
    for (std::size_t s = 0; s < strategies().size(); ++s) {
      if (!is_spread(s)) continue;
      const Tally::Slot slot = compiled_.slots[s];
      const std::uint32_t value = books_.tally().values(slot).of_class(books_.class_number(node));
      const auto next = static_cast<std::uint32_t>(loads_[s].size());
      const auto [at, is_new] = load_numbers_[s].try_emplace(value, next);
      if (is_new) loads_[s].push_back(books_.tally().of_value(compiled_.counted, slot, value));
      cell.values[s] = at->second;
      name += std::to_string(at->second) + ' ';
    }
    const auto next = static_cast<std::uint32_t>(cells_.size());
    const auto [at, is_new] = cell_numbers_.try_emplace(std::move(name), next);
    if (is_new) cells_.push_back(std::move(cell));
    return at->second;
  }

  [[nodiscard]] Key key_of(std::uint32_t candidate) const {
    const Candidate& task = candidates_[candidate];
    const Place& place = places_[task.place];
    Key out{};
    for (std::size_t s = 0; s < strategies().size(); ++s) {
      switch (strategies()[s].kind) {
        case Strategy::Kind::SpreadInstance:
          out[s] = place.tasks;
          break;
        case Strategy::Kind::BinpackCpu:
          out[s] = place.cpu_left + task.cpu;
          break;
        case Strategy::Kind::BinpackMemory:
          out[s] = place.memory_left + task.memory_mib;
          break;
        case Strategy::Kind::Random:
          out[s] = static_cast<std::int64_t>(draw(dice_, candidate) >> 1);
          break;
        default:  // spread over an attribute: the cell's; others do not say which task should go
          break;
      }
    }
    return out;
  }

  void drop_stale(Cell& cell) const {
    while (!cell.heap.empty()) {
      const Entry& top = cell.heap.front();
      const Candidate& task = candidates_[top.candidate];
      if (!task.chosen && top.version == places_[task.place].version) return;
      std::pop_heap(cell.heap.begin(), cell.heap.end(), comes_later);
      cell.heap.pop_back();
    }
  }

  ReservationId take(Cell& cell, std::uint32_t candidate) {
    Candidate& task = candidates_[candidate];
    Place& place = places_[task.place];
    task.chosen = true;
    for (std::size_t s = 0; s < strategies().size(); ++s) {
      if (is_spread(s)) --loads_[s][cell.values[s]];
    }
    --place.tasks;
    place.cpu_left += task.cpu;
    place.memory_left += task.memory_mib;
    ++place.version;
    std::erase(place.candidates, candidate);
    for (const std::uint32_t other : place.candidates) {
      cell.heap.push_back({key_of(other), other, place.version});
      std::push_heap(cell.heap.begin(), cell.heap.end(), comes_later);
    }
    return task.id;
  }

  const Compiled& compiled_;
  const Books& books_;
  std::uint64_t dice_;
  std::vector<Candidate> candidates_;  // in the caller's order
  std::vector<Place> places_;
  std::vector<Cell> cells_;
  std::array<std::vector<std::int64_t>, kMaxStrategies> loads_;  // tasks by value
  // Looked up, never iterated.
  std::unordered_set<ReservationId> known_;
  std::unordered_map<std::uint32_t, std::uint32_t> place_numbers_;
  std::array<std::unordered_map<std::uint32_t, std::uint32_t>, kMaxStrategies> load_numbers_;
  std::unordered_map<std::string, std::uint32_t> cell_numbers_;
};

}  // namespace

std::vector<ReservationId> choose_to_stop(const Compiled& compiled, const Books& books,
                                          const StopQuestion& question) {
  std::vector<ReservationId> out;
  if (question.count == 0) return out;
  ScaleIn scale_in(compiled, books, question);
  while (out.size() < question.count) {
    const ReservationId id = scale_in.choose_one();
    if (id == ReservationId::None) break;
    out.push_back(id);
  }
  return out;
}

}  // namespace berth::placement
