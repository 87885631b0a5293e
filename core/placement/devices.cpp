// SPDX-License-Identifier: Apache-2.0
#include "core/placement/devices.hpp"

#include <algorithm>
#include <utility>

#include "core/placement/closeness.hpp"

namespace berth::placement {

DeviceBook::DeviceBook(std::vector<Device> devices)
    : devices_(std::move(devices)), parents_(devices_.size(), -1), uses_(devices_.size()) {
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    has_places_ = has_places_ || !devices_[i].numa.empty() || !devices_[i].link.empty();
    if (devices_[i].parent.empty()) continue;
    if (const auto parent = find(devices_[i].parent))
      parents_[i] = static_cast<std::int32_t>(*parent);
    has_relatives_ = has_relatives_ || parents_[i] >= 0;
  }
}

std::optional<std::size_t> DeviceBook::find(std::string_view id) const {
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].id == id) return i;
  }
  return std::nullopt;
}

bool DeviceBook::idle(std::size_t device) const {
  return uses_[device].whole == 0 && uses_[device].parts == 0;
}

bool DeviceBook::relatives_idle(std::size_t device) const {
  if (!has_relatives_) return true;
  for (std::int32_t up = parents_[device]; up >= 0; up = parents_[static_cast<std::size_t>(up)]) {
    if (!idle(static_cast<std::size_t>(up))) return false;
  }
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    std::int32_t up = parents_[i];
    while (up >= 0 && up != static_cast<std::int32_t>(device))
      up = parents_[static_cast<std::size_t>(up)];
    if (up >= 0 && !idle(i)) return false;
  }
  return true;
}

bool DeviceBook::serves_whole(std::size_t device) const {
  return devices_[device].healthy && idle(device) && relatives_idle(device);
}

bool DeviceBook::serves_parts(std::size_t device) const {
  return devices_[device].healthy && devices_[device].share_milli > 0 && uses_[device].whole == 0 &&
         relatives_idle(device);
}

bool DeviceBook::serves(std::size_t device, const DeviceNeed& need) const {
  const Device& d = devices_[device];
  if (d.type != need.type || (!need.model.empty() && d.model != need.model)) return false;
  if (need.count > 0) return d.memory_mib >= need.memory_mib && serves_whole(device);
  const Use& use = uses_[device];
  return serves_parts(device) && d.share_milli - use.share_milli >= need.share_milli &&
         (need.memory_mib == 0 || d.memory_mib - use.memory_mib >= need.memory_mib);
}

// Interchangeable: where one led nowhere the other will not lead anywhere either. Partitions and
// their parents never are.
bool DeviceBook::alike(std::size_t a, std::size_t b) const {
  const auto has_relatives = [this](std::size_t device) {
    return parents_[device] >= 0 || std::find(parents_.begin(), parents_.end(),
                                              static_cast<std::int32_t>(device)) != parents_.end();
  };
  const Device& x = devices_[a];
  const Device& y = devices_[b];
  const Use& u = uses_[a];
  const Use& v = uses_[b];
  return x.type == y.type && x.model == y.model && x.memory_mib == y.memory_mib &&
         x.share_milli == y.share_milli && x.healthy == y.healthy && u.whole == v.whole &&
         u.parts == v.parts && u.share_milli == v.share_milli && u.memory_mib == v.memory_mib &&
         !has_relatives(a) && !has_relatives(b);
}

// Less is left of `a` than of `b`.
bool DeviceBook::tighter(std::size_t a, std::size_t b) const {
  const auto left = [this](std::size_t i) {
    return std::pair(devices_[i].share_milli - uses_[i].share_milli,
                     devices_[i].memory_mib - uses_[i].memory_mib);
  };
  return left(a) < left(b);
}

DeviceBook::Room DeviceBook::room(std::size_t device) const {
  return {.whole = serves_whole(device),
          .parts = serves_parts(device),
          .share_milli = devices_[device].share_milli - uses_[device].share_milli};
}

DeviceLeft DeviceBook::left(std::size_t device) const {
  const Device& d = devices_[device];
  const Use& use = uses_[device];
  const bool parts = serves_parts(device);
  return DeviceLeft{
      .id = d.id,
      .type = d.type,
      .share_milli = parts ? std::max<std::int64_t>(0, d.share_milli - use.share_milli) : 0,
      .memory_mib = parts || serves_whole(device)
                        ? std::max<std::int64_t>(0, d.memory_mib - use.memory_mib)
                        : 0,
      .whole = serves_whole(device)};
}

std::int64_t DeviceBook::free_whole(std::string_view type) const {
  std::int64_t out = 0;
  for (std::size_t i = 0; i < devices_.size(); ++i)
    out += devices_[i].type == type && serves_whole(i) ? 1 : 0;
  return out;
}

std::int64_t DeviceBook::free_share(std::string_view type) const {
  std::int64_t out = 0;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].type == type) out += left(i).share_milli;
  }
  return out;
}

DeviceGrant DeviceBook::grant_of(const DeviceNeed& need, std::uint32_t index,
                                 std::size_t device) const {
  const bool whole = need.count > 0;
  return DeviceGrant{.need = index,
                     .device_id = devices_[device].id,
                     .share_milli = whole ? 0 : need.share_milli,
                     .memory_mib = whole ? 0 : need.memory_mib,
                     .whole = whole};
}

// Depth-first over (need, k-th of its devices). Works on a copy of the book: what it takes is not
// taken.
struct DeviceBook::Search {
  DeviceBook book;
  std::span<const DeviceNeed> needs;
  std::vector<DeviceGrant> grants{};
  std::vector<std::size_t> chosen{};  // the devices of `grants`
  std::size_t tries = 0;

  bool begin(std::size_t need) {
    if (need == needs.size()) return true;
    return next(need, 0, candidates(need), 0);
  }

  // `from`: devices of one need are taken in the order of `options`, so that each set is tried once.
  bool next(std::size_t need, std::int64_t taken, const std::vector<std::size_t>& options,
            std::size_t from) {
    const DeviceNeed& want = needs[need];
    if (taken == std::max<std::int64_t>(want.count, 1)) return begin(need + 1);
    std::vector<std::size_t> tried;
    for (std::size_t i = from; i < options.size(); ++i) {
      const std::size_t device = options[i];
      if (!book.serves(device, want)) continue;
      if (++tries > kMaxTries) return false;
      const bool repeats = std::any_of(tried.begin(), tried.end(), [&](std::size_t other) {
        return book.alike(other, device);
      });
      tried.push_back(device);
      if (repeats) continue;
      grants.push_back(book.grant_of(want, static_cast<std::uint32_t>(need), device));
      chosen.push_back(device);
      book.take(grants.back());
      if (next(need, taken + 1, options, i + 1)) return true;
      book.give_back(grants.back());
      chosen.pop_back();
      grants.pop_back();
    }
    return false;
  }

  [[nodiscard]] std::vector<std::size_t> candidates(std::size_t need) const {
    const DeviceNeed& want = needs[need];
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < book.devices_.size(); ++i) {
      if (book.serves(i, want)) out.push_back(i);
    }
    if (want.count == 0) {
      std::stable_sort(out.begin(), out.end(),
                       [this](std::size_t a, std::size_t b) { return book.tighter(a, b); });
    } else if (book.has_places_) {
      std::int64_t total = 0;  // of this need and those after it
      for (const DeviceNeed& one : needs.subspan(need)) {
        total += one.type == want.type ? one.count : 0;
      }
      return order_by_closeness(book.devices_, std::move(out), chosen, total);
    }
    return out;
  }
};

std::optional<std::vector<DeviceGrant>> DeviceBook::search(
    std::span<const DeviceNeed> needs) const {
  Search search{.book = *this, .needs = needs};
  if (!search.begin(0)) return std::nullopt;
  if (has_places_) {
    std::stable_sort(search.grants.begin(), search.grants.end(),
                     [this](const DeviceGrant& a, const DeviceGrant& b) {
                       return std::pair(a.need, find(a.device_id)) <
                              std::pair(b.need, find(b.device_id));
                     });
  }
  return std::move(search.grants);
}

// One need, no search and no copy: the first that serve, or the part with the least left. A
// partition and its parent both serve while idle, and taking one ends that: then the search
// decides, as where devices say where they are.
std::optional<std::vector<DeviceGrant>> DeviceBook::choose_one(const DeviceNeed& need) const {
  std::vector<DeviceGrant> out;
  if (need.count > 0) {
    if (has_places_ || (need.count > 1 && has_relatives_)) return search(std::span(&need, 1));
    for (std::size_t i = 0; i < devices_.size() && std::cmp_less(out.size(), need.count); ++i) {
      if (serves(i, need)) out.push_back(grant_of(need, 0, i));
    }
    if (std::cmp_less(out.size(), need.count)) return std::nullopt;
    return out;
  }
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (serves(i, need) && (!best || tighter(i, *best))) best = i;
  }
  if (!best) return std::nullopt;
  out.push_back(grant_of(need, 0, *best));
  return out;
}

std::optional<std::vector<DeviceGrant>> DeviceBook::choose(
    std::span<const DeviceNeed> needs) const {
  if (needs.empty()) return std::vector<DeviceGrant>{};
  if (needs.size() == 1) return choose_one(needs.front());
  return search(needs);
}

bool DeviceBook::suffices(std::span<const DeviceNeed> needs) const {
  // The search is for needs, or devices, that exclude each other.
  if (needs.size() != 1 || (needs.front().count > 1 && has_relatives_))
    return choose(needs).has_value();
  const DeviceNeed& need = needs.front();
  std::int64_t missing = std::max<std::int64_t>(need.count, 1);
  for (std::size_t i = 0; i < devices_.size() && missing > 0; ++i)
    missing -= serves(i, need) ? 1 : 0;
  return missing == 0;
}

void DeviceBook::take(const DeviceGrant& grant) {
  const auto device = find(grant.device_id);
  if (!device) return;
  Use& use = uses_[*device];
  ++(grant.whole ? use.whole : use.parts);
  use.share_milli += grant.share_milli;
  use.memory_mib += grant.memory_mib;
}

void DeviceBook::give_back(const DeviceGrant& grant) {
  const auto device = find(grant.device_id);
  if (!device) return;
  Use& use = uses_[*device];
  --(grant.whole ? use.whole : use.parts);
  use.share_milli -= grant.share_milli;
  use.memory_mib -= grant.memory_mib;
}

}  // namespace berth::placement
