// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/link_groups.hpp"

#include <algorithm>

namespace berth::gpu {
namespace {

// Sets of addresses, each known by its least member.
class Groups {
 public:
  std::string root(const std::string& of) {
    std::string at = of;
    for (auto it = parents_.find(at); it != parents_.end(); it = parents_.find(at)) at = it->second;
    return at;
  }
  void join(const std::string& a, const std::string& b) {
    const auto [less, more] = std::minmax({root(a), root(b)});
    if (less != more) parents_[more] = less;
  }

 private:
  std::map<std::string, std::string> parents_;
};

}  // namespace

std::map<std::string, std::string> link_groups(const std::vector<Linked>& devices) {
  Groups groups;
  for (const Linked& device : devices) {
    for (const std::string& end : device.ends) groups.join(device.pci, end);
  }
  std::map<std::string, std::vector<std::string>> members;  // devices only, by root
  for (const Linked& device : devices) members[groups.root(device.pci)].push_back(device.pci);
  std::map<std::string, std::string> out;
  for (const auto& [root, pcis] : members) {
    if (pcis.size() < 2) continue;
    for (const std::string& pci : pcis) out[pci] = *std::ranges::min_element(pcis);
  }
  return out;
}

}  // namespace berth::gpu
