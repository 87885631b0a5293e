// SPDX-License-Identifier: Apache-2.0
#include "core/placement/holdings.hpp"

#include <utility>

namespace berth::placement {
namespace {

std::string key_of(const Holding& holding) {
  std::string out;
  const auto add = [&](std::uint64_t number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  add(static_cast<std::uint64_t>(holding.cpu));
  add(static_cast<std::uint64_t>(holding.memory_mib));
  add(holding.parts.size());
  for (const Holding::Part& part : holding.parts) {
    add(part.column);
    add(static_cast<std::uint64_t>(part.amount));
  }
  for (const std::uint32_t port : holding.ports) add(port);
  return out;
}

}  // namespace

std::uint32_t Holdings::acquire(Holding holding) {
  const auto [at, is_new] = numbers_.try_emplace(key_of(holding), 0);
  if (is_new) {
    if (free_.empty()) {
      at->second = static_cast<std::uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      at->second = free_.back();
      free_.pop_back();
    }
    entries_[at->second].what = std::move(holding);
  }
  ++entries_[at->second].sharers;
  return at->second;
}

void Holdings::release(std::uint32_t number) {
  Entry& entry = entries_[number];
  if (--entry.sharers > 0) return;
  numbers_.erase(key_of(entry.what));
  entry = Entry{};
  free_.push_back(number);
}

std::size_t Holdings::bytes() const {
  return entries_.capacity() * sizeof(Entry) +
         numbers_.size() * (sizeof(std::string) + 8 * sizeof(void*));
}

}  // namespace berth::placement
