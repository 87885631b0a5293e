// SPDX-License-Identifier: Apache-2.0
#include "core/placement/closeness.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace berth::placement {
namespace {

struct Group {
  std::string name;
  std::vector<std::size_t> free{};  // ascending
  std::size_t taken = 0;
};

enum class By { Numa, Link };

// A device that is linked with none is a group by itself, of a name that no other has.
std::string group_of(const Device& device, By by) {
  if (by == By::Numa) return device.numa;
  return device.link.empty() ? '\n' + device.id : device.link;
}

std::vector<Group> groups(std::span<const Device> devices,
                          const std::vector<std::size_t>& candidates,
                          std::span<const std::size_t> taken, By by) {
  std::vector<Group> out;
  const auto group = [&](std::size_t device) -> Group& {
    std::string name = group_of(devices[device], by);
    const auto at =
        std::find_if(out.begin(), out.end(), [&](const Group& one) { return one.name == name; });
    if (at != out.end()) return *at;
    out.push_back({.name = std::move(name)});
    return out.back();
  };
  for (const std::size_t device : candidates) group(device).free.push_back(device);
  for (const std::size_t device : taken) ++group(device).taken;
  return out;
}

void sort_by_fit(std::vector<Group>& all, std::int64_t total) {
  std::stable_sort(all.begin(), all.end(), [total](const Group& a, const Group& b) {
    const auto key = [total](const Group& group) {
      const auto free = static_cast<std::int64_t>(group.free.size());
      const bool holds = free >= total;
      return std::tuple(!holds, -static_cast<std::int64_t>(group.taken), holds ? free : -free);
    };
    return key(a) < key(b);
  });
}

bool any_holds(const std::vector<Group>& all, std::int64_t total) {
  return std::any_of(all.begin(), all.end(), [total](const Group& group) {
    return std::cmp_greater_equal(group.free.size(), total);
  });
}

}  // namespace

std::vector<std::size_t> order_by_closeness(std::span<const Device> devices,
                                            std::vector<std::size_t> candidates,
                                            std::span<const std::size_t> taken,
                                            std::int64_t total) {
  std::vector<Group> outer = groups(devices, candidates, taken, By::Numa);
  By inner = By::Link;
  // Linked ones on several NUMA nodes are closer than others on several.
  if (outer.size() > 1 && !any_holds(outer, total)) {
    std::vector<Group> linked = groups(devices, candidates, taken, By::Link);
    if (any_holds(linked, total)) {
      outer = std::move(linked);
      inner = By::Numa;
    }
  }
  sort_by_fit(outer, total);
  std::vector<std::size_t> out;
  out.reserve(candidates.size());
  for (const Group& group : outer) {
    std::vector<Group> parts = groups(devices, group.free, taken, inner);
    sort_by_fit(parts, std::min<std::int64_t>(total, static_cast<std::int64_t>(group.free.size())));
    for (const Group& part : parts) out.insert(out.end(), part.free.begin(), part.free.end());
  }
  return out;
}

}  // namespace berth::placement
