// SPDX-License-Identifier: Apache-2.0
#include "sdk/cdi/match.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace berth::cdi {
namespace {

// A device's own nodes, as a container sees them, or as the host does.
std::set<std::string> seen_nodes_of(const Entry& entry) {
  std::set<std::string> out;
  for (const v1::DeviceNode& node : entry.device->edits.oci.device_nodes()) out.insert(node.path());
  return out;
}

std::set<std::string> host_nodes_of(const Entry& entry) {
  std::set<std::string> out;
  for (const v1::DeviceNode& node : entry.device->edits.oci.device_nodes()) {
    out.insert(node.host_path().empty() ? node.path() : node.host_path());
  }
  return out;
}

// What the device is made of: equal for two names of one piece of hardware.
std::set<std::string> parts_of(const Entry& entry) {
  std::set<std::string> out;
  for (const v1::DeviceNode& node : entry.device->edits.oci.device_nodes()) {
    out.insert(node.SerializeAsString());
  }
  return out;
}

// /dev/nvidia0 and its like, /dev/dri/renderD128 and its like: one for each device.
bool is_numbered_like(const std::string& path, const std::string& like) {
  const auto stem = like.find_last_not_of("0123456789") + 1;
  return path.size() > stem && path.compare(0, stem, like, 0, stem) == 0 &&
         path.find_first_not_of("0123456789", stem) == std::string::npos;
}

// Whether the device has this node and none like it.
bool is_only(const Entry& entry, const std::string& node) {
  for (const auto& paths : {seen_nodes_of(entry), host_nodes_of(entry)}) {
    const auto like = std::ranges::count_if(
        paths, [&](const std::string& path) { return is_numbered_like(path, node); });
    if (like == 1 && paths.contains(node)) return true;
  }
  return false;
}

}  // namespace

std::string missing_support(const Entry& entry) {
  std::string members;
  for (const auto* edits : {&entry.device->edits, &entry.spec->edits}) {
    for (const std::string& member : edits->unsupported) {
      members += (members.empty() ? "" : ", ") + member;
    }
  }
  return members.empty() ? "" : entry.file + " asks for what Berth cannot do: " + members;
}

sdk::Result<void> add_edits(const Entry& entry, std::set<const Spec*>& specs, v1::OciEdits& edits) {
  if (std::string missing = missing_support(entry); !missing.empty()) {
    return sdk::fail(BERTH_PRECONDITION, std::move(missing));
  }
  if (specs.insert(entry.spec.get()).second) merge(entry.spec->edits.oci, edits);
  merge(entry.device->edits.oci, edits);
  return {};
}

bool has_none_like(const Entry& entry, const std::string& node) {
  auto paths = host_nodes_of(entry);
  paths.merge(seen_nodes_of(entry));
  return std::ranges::none_of(
      paths, [&](const std::string& path) { return is_numbered_like(path, node); });
}

std::optional<std::string> name_by_node(const Catalog& catalog, const std::string& kind,
                                        const std::string& node) {
  std::optional<std::string> found;
  for (const Entry* entry : catalog.of_kind(kind)) {
    if (entry->device->name == "all" || !is_only(*entry, node)) continue;
    // Of several names of one device the last is the UUID: digits sort before letters.
    found = entry->qualified_name();
  }
  return found;
}

std::vector<const Entry*> distinct(const std::vector<const Entry*>& entries) {
  std::vector<const Entry*> out;
  for (const Entry* entry : entries) {
    if (entry->device->name == "all") continue;
    const auto parts = parts_of(*entry);
    const bool is_several = std::ranges::any_of(entries, [&](const Entry* other) {
      const auto others = parts_of(*other);
      return !others.empty() && others.size() < parts.size() &&
             std::ranges::includes(parts, others);
    });
    if (is_several) continue;
    // The last of several names: numbers, which may change, sort before UUIDs.
    std::erase_if(out,
                  [&](const Entry* other) { return !parts.empty() && parts_of(*other) == parts; });
    out.push_back(entry);
  }
  return out;
}

}  // namespace berth::cdi
