// SPDX-License-Identifier: Apache-2.0
#include "core/placement/leavers.hpp"

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <utility>

#include "core/placement/scale_in.hpp"

namespace berth::placement {

Leavers::Leavers(Books& books, std::function<void(Tally::Slot)> forget)
    : books_(books), forget_(std::move(forget)) {
  books_.log_nodes();
}

Leavers::~Leavers() {
  let_go();
}

// ---- Tasks

bool Leavers::add(const Leaver& leaver) {
  const TaskRecord* task = books_.find(leaver.id);
  if (task == nullptr || task->counted == 0) return false;
  const TaskKind& kind = books_.kind_of(*task);
  put(Books::node_of(leaver.id),
      {.group = kind.group,
       .service = kind.service,
       .cpu = kind.cpu,
       .memory_mib = kind.memory_mib},
      leaver);
  return true;
}

void Leavers::put(std::uint32_t node, const Kind& kind, const Leaver& leaver) {
  auto& piles = piles_[node];
  auto pile =
      std::find_if(piles.begin(), piles.end(), [&](const auto& one) { return one->kind == kind; });
  if (pile == piles.end()) {
    piles.push_back(std::make_unique<Pile>());
    pile = std::prev(piles.end());
    (*pile)->node = node;
    (*pile)->kind = kind;
  }
  (*pile)->tasks.insert(leaver);
  stale_.insert(node);
}

void Leavers::remove(const Leaver& leaver) {
  const std::uint32_t node = Books::node_of(leaver.id);
  const auto piles = piles_.find(node);
  if (piles == piles_.end()) return;
  for (const auto& pile : piles->second) {
    if (pile->tasks.erase(leaver) > 0) stale_.insert(node);
  }
}

// ---- The order

// The attributes stay tracked and the set stays, so that their numbers mean the same until the next
// question, whatever requests come and go.
void Leavers::prepare(const Compiled& compiled) {
  if (prepared_ && strategies_ == compiled.strategies && counted_kind_ == compiled.counted_kind &&
      counted_ == compiled.counted) {
    return;
  }
  let_go();
  prepared_ = true;
  strategies_ = compiled.strategies;
  for (std::size_t s = 0; s < strategies_.size(); ++s) {
    slots_.push_back(is_spread(s) ? books_.track(strategies_[s].attribute) : 0);
  }
  counted_kind_ = compiled.counted_kind;
  counted_ = compiled.counted;
  books_.tally().share(counted_);
  seen_ = ChangeLog::kNothingSeen;
}

void Leavers::let_go() {
  if (!prepared_) return;
  prepared_ = false;
  cells_.clear();
  for (const auto& [node, piles] : piles_) {
    for (const auto& pile : piles) pile->is_in = false;
  }
  for (std::size_t s = 0; s < strategies_.size(); ++s) {
    if (!is_spread(s)) continue;
    books_.tally().untrack(slots_[s]);
    if (books_.tally().values_at(slots_[s]) == nullptr) forget_(slots_[s]);
  }
  books_.tally().release(counted_);
  strategies_.clear();
  slots_.clear();
}

void Leavers::catch_up() {
  const ChangeLog::Changes changes = books_.node_log().since(seen_);
  seen_ = books_.node_log().count();
  if (changes.all) {
    for (const auto& [node, piles] : piles_) stale_.insert(node);
  }
  for (const std::uint32_t node : changes.things) {
    if (piles_.count(node) > 0) stale_.insert(node);
  }
  const std::set<std::uint32_t> nodes = std::exchange(stale_, {});
  for (const std::uint32_t node : nodes) look_at(node);
}

// Where does what is on this node stand now?
void Leavers::look_at(std::uint32_t node) {
  const auto at = piles_.find(node);
  if (at == piles_.end()) return;
  for (const auto& pile : at->second) take_out(*pile);
  if (!books_.is_live(node)) {
    piles_.erase(at);
    return;
  }
  const auto is_gone = [&](ReservationId id) {
    const TaskRecord* task = books_.find(id);
    return task == nullptr || task->counted == 0;
  };
  std::erase_if(at->second, [&](const auto& pile) {
    while (!pile->tasks.empty() && is_gone(pile->tasks.begin()->id)) {
      pile->tasks.erase(pile->tasks.begin());
    }
    return pile->tasks.empty();
  });
  if (at->second.empty()) {
    piles_.erase(at);
    return;
  }
  for (const auto& pile : at->second) {
    if (is_of_the_set(pile->kind)) put_in(*pile);
  }
}

void Leavers::take_out(Pile& pile) {
  if (!pile.is_in) return;
  pile.is_in = false;
  const auto cell = cells_.find(pile.cell);
  cell->second.erase(pile.entry);
  if (cell->second.empty()) cells_.erase(cell);
}

void Leavers::put_in(Pile& pile) {
  pile.cell = {};
  for (std::size_t s = 0; s < strategies_.size(); ++s) {
    if (!is_spread(s)) continue;
    const ValueNumbers& values = books_.tally().values(slots_[s]);
    pile.cell[s] = values.of_class(books_.class_number(pile.node));
  }
  pile.entry = {.key = key_of(pile), .top = *pile.tasks.begin(), .pile = &pile};
  pile.is_in = true;
  cells_[pile.cell].insert(pile.entry);
}

Leavers::Key Leavers::key_of(const Pile& pile) const {
  const auto at = gone_.find(pile.node);
  const Gone gone = at == gone_.end() ? Gone() : at->second;
  Key key{};
  for (std::size_t s = 0; s < strategies_.size(); ++s) {
    switch (strategies_[s].kind) {
      case Strategy::Kind::SpreadInstance:
        key[s] = books_.count(counted_kind_, counted_, pile.node) - gone.tasks;
        break;
      case Strategy::Kind::BinpackCpu:
        key[s] = books_.left(kCpuColumn, pile.node) + gone.cpu + pile.kind.cpu;
        break;
      case Strategy::Kind::BinpackMemory:
        key[s] = books_.left(kMemoryColumn, pile.node) + gone.memory_mib + pile.kind.memory_mib;
        break;
      default:  // spread over an attribute: the cell's; others do not say which task should go
        break;
    }
  }
  return key;
}

// ---- Questions

const Leavers::Pile* Leavers::first_pile() const {
  const Pile* first = nullptr;
  Entry best;
  for (const auto& [values, cell] : cells_) {
    Entry entry = *cell.begin();
    for (std::size_t s = 0; s < strategies_.size(); ++s) {
      if (!is_spread(s)) continue;
      const auto less = less_[s].find(values[s]);
      entry.key[s] = books_.tally().of_value(counted_, slots_[s], values[s]) -
                     (less == less_[s].end() ? 0 : less->second);
    }
    if (first != nullptr && !Before()(entry, best)) continue;
    first = entry.pile;
    best = entry;
  }
  return first;
}

std::vector<Leaver> Leavers::choose(const Compiled& compiled, const LeaversQuestion& question) {
  const bool draws =
      std::any_of(compiled.strategies.begin(), compiled.strategies.end(),
                  [](const Strategy& one) { return one.kind == Strategy::Kind::Random; });
  if (draws) return choose_from_all(compiled, question);
  prepare(compiled);
  catch_up();
  std::vector<Taken> taken;
  while (taken.size() < question.count) {
    const Pile* pile = first_pile();
    if (pile == nullptr) break;
    const std::uint32_t node = pile->node;
    const CellName values = pile->cell;
    taken.push_back({.leaver = *pile->tasks.begin(), .node = node, .kind = pile->kind});
    remove(taken.back().leaver);
    Gone& gone = gone_[node];
    ++gone.tasks;
    gone.cpu += taken.back().kind.cpu;
    gone.memory_mib += taken.back().kind.memory_mib;
    for (std::size_t s = 0; s < strategies_.size(); ++s) {
      if (is_spread(s)) ++less_[s][values[s]];
    }
    look_at(node);
  }
  // Nothing has been stopped yet: all is as it was, to be looked at again with the next question.
  gone_.clear();
  for (auto& less : less_) less.clear();
  std::vector<Leaver> out;
  for (const Taken& one : taken) {
    put(one.node, one.kind, one.leaver);
    out.push_back(one.leaver);
  }
  return out;
}

// Random draws for each candidate by its place among them.
std::vector<Leaver> Leavers::choose_from_all(const Compiled& compiled,
                                             const LeaversQuestion& question) const {
  std::vector<Leaver> all;
  for (const auto& [node, piles] : piles_) {
    for (const auto& pile : piles) all.insert(all.end(), pile->tasks.begin(), pile->tasks.end());
  }
  std::sort(all.begin(), all.end(), FirstToGo());
  std::vector<ReservationId> candidates;
  std::unordered_map<ReservationId, std::size_t> places;  // looked up, never iterated
  for (const Leaver& one : all) {
    places.emplace(one.id, candidates.size());
    candidates.push_back(one.id);
  }
  std::vector<Leaver> out;
  for (const ReservationId id :
       choose_to_stop(compiled, books_,
                      {.candidates = candidates, .count = question.count, .dice = question.dice})) {
    out.push_back(all[places.at(id)]);
  }
  return out;
}

}  // namespace berth::placement
