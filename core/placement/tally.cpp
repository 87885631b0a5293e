// SPDX-License-Identifier: Apache-2.0
#include "core/placement/tally.hpp"

#include <algorithm>
#include <utility>

namespace berth::placement {

Tally::Set Tally::acquire(Kind kind, std::string_view name) {
  if (const auto known = find(kind, name)) {
    share(*known);
    return *known;
  }
  Set set = 0;
  if (free_.empty()) {
    set = end();
    sets_.emplace_back();
    names_.emplace_back();
    many_.emplace_back();
  } else {
    set = free_.back();
    free_.pop_back();
  }
  sets_[set].references = 1;
  names_[set] = {kind, std::string(name)};
  if (width_ > kFewValues) many_[set].resize(width_);
  by_name_[static_cast<std::size_t>(kind)].emplace(std::string(name), set);
  return set;
}

void Tally::release(Set set) {
  Entry& entry = sets_[set];
  if (--entry.references > 0) return;
  by_name_[static_cast<std::size_t>(names_[set].kind)].erase(names_[set].name);
  drop_counts(set);
  entry = Entry{};
  names_[set] = Name{};
  many_[set] = {};
  free_.push_back(set);
}

std::optional<Tally::Set> Tally::find(Kind kind, std::string_view name) const {
  const auto& names = by_name_[static_cast<std::size_t>(kind)];
  const auto at = names.find(std::string(name));
  return at == names.end() ? std::nullopt : std::optional(at->second);
}

// ---- Attributes

Tally::Tracked Tally::track(std::string_view attribute, const NodeClasses& classes) {
  auto free = static_cast<Slot>(attributes_.size());
  for (Slot slot = 0; slot < attributes_.size(); ++slot) {
    if (attributes_[slot].values == nullptr) {
      free = std::min(free, slot);
    } else if (attributes_[slot].values->attribute() == attribute) {
      ++attributes_[slot].users;
      return {slot, false};
    }
  }
  if (free == attributes_.size()) attributes_.emplace_back();
  auto values = std::make_unique<ValueNumbers>(std::string(attribute));
  for (std::uint32_t number = 0; number < classes.end(); ++number) {
    if (classes.nodes_of(number) > 0) values->add(number, classes.at(number));
  }
  values->reach(classes.end());
  attributes_[free].values = std::move(values);
  attributes_[free].users = 1;
  make_room(free);
  return {free, true};
}

void Tally::untrack(Slot slot) {
  Attribute& attribute = attributes_[slot];
  if (--attribute.users > 0) return;
  attribute.values.reset();
  for (Set set = 0; set < end(); ++set) {
    if (sets_[set].references > 0) std::fill_n(by_value(set) + attribute.begin, attribute.room, 0);
  }
}

// Lays all sets out anew where the attribute has more values than fit.
void Tally::make_room(Slot slot) {
  Attribute& grown = attributes_[slot];
  if (grown.values->end() <= grown.room) return;
  const std::uint32_t room = grown.values->end() * 2 + 2;
  const std::uint32_t more = room - grown.room;
  if (grown.room == 0) grown.begin = width_;
  const std::uint32_t end = grown.begin + grown.room;
  for (Attribute& attribute : attributes_) {
    if (attribute.room > 0 && attribute.begin >= end) attribute.begin += more;
  }
  grown.room = room;
  const std::uint32_t before = width_;
  width_ += more;
  std::vector<std::int32_t> tasks;
  for (Set set = 0; set < this->end(); ++set) {
    if (sets_[set].references == 0) continue;
    const std::int32_t* old = before <= kFewValues ? sets_[set].few.data() : many_[set].data();
    tasks.assign(old, old + before);
    tasks.insert(tasks.begin() + static_cast<std::ptrdiff_t>(end), more, 0);
    if (width_ > kFewValues) {
      many_[set] = tasks;
    } else {
      std::copy(tasks.begin(), tasks.end(), sets_[set].few.begin());
    }
  }
}

void Tally::class_came(std::uint32_t number, const NodeClass& what) {
  for (Slot slot = 0; slot < attributes_.size(); ++slot) {
    if (attributes_[slot].values == nullptr) continue;
    attributes_[slot].values->add(number, what);
    make_room(slot);
  }
}

void Tally::class_goes(std::uint32_t number) {
  for (Attribute& attribute : attributes_) {
    if (attribute.values != nullptr) attribute.values->remove(number);
  }
}

// ---- Counts for each node

void Tally::keep_counts(Set set, CountTree counts) {
  if (sets_[set].counts == nullptr) counted_.push_back(set);
  sets_[set].counts = std::make_unique<CountTree>(std::move(counts));
}

void Tally::drop_counts(Set set) {
  if (sets_[set].counts == nullptr) return;
  sets_[set].counts.reset();
  std::erase(counted_, set);
}

void Tally::grow(std::size_t nodes) {
  for (const Set set : counted_) sets_[set].counts->resize(nodes);
}

std::size_t Tally::counts_bytes() const {
  std::size_t out = 0;
  for (const Set set : counted_) out += sets_[set].counts->bytes();
  return out;
}

std::size_t Tally::bytes() const {
  std::size_t out = sets_.capacity() * sizeof(Entry) + names_.capacity() * sizeof(Name) +
                    many_.capacity() * sizeof(many_[0]);
  for (Set set = 0; set < end(); ++set) {
    out += 2 * names_[set].name.size() + sizeof(std::string) + 4 * sizeof(void*);
    out += many_[set].capacity() * sizeof(std::int32_t);
  }
  for (const Attribute& attribute : attributes_) {
    if (attribute.values != nullptr) out += attribute.values->bytes();
  }
  return out;
}

}  // namespace berth::placement
