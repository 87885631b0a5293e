// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/node_store.hpp"

#include <system_error>
#include <utility>
#include <vector>

#include "sdk/fleet/durable_file.hpp"
#include "sdk/fleet/secret.hpp"

namespace berth::fleet {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr std::int64_t kTombMs = 365 * kDayMs;

sdk::Result<v1::StoredNode> read_node(const std::filesystem::path& path) {
  auto bytes = read_small_file(path);
  if (!bytes) return bytes.error();
  v1::StoredNode node;
  if (!node.ParseFromString(*bytes) || node.id() != path.filename().string() || (node.key_sha256().empty() && node.removed_at_ms() == 0)) {
    return sdk::fail(BERTH_INVALID, path.string() + " does not hold a node; restore it, or remove it and let its agent join anew");
  }
  if (node.version() != 1) {
    return sdk::fail(BERTH_INVALID, path.string() + " was written by a newer version of Berth (" +
                                        std::to_string(node.version()) + ")");
  }
  return node;
}

// Printable ASCII without blanks, as ECS's names are; `size` at most.
bool is_name(const std::string& text, std::size_t size) {
  if (text.empty() || text.size() > size) return false;
  for (const char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

bool is_cluster(const std::string& text) {
  if (text.size() > 255) return false;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
  }
  return true;
}

sdk::Result<void> check_resource(const berth::v1::Resource& resource) {
  const auto bad = [&](const char* why) {
    return sdk::fail(BERTH_INVALID, "resource '" + resource.name() + "' " + why, "node.resources");
  };
  if (!is_name(resource.name(), 128)) return sdk::fail(BERTH_INVALID, "a resource has no valid name", "node.resources");
  constexpr std::int64_t kMost = 1LL << 50;
  const auto is_amount = [](std::int64_t n) { return n >= 0 && n <= kMost; };
  if (resource.has_counter() && !is_amount(resource.counter().total())) return bad("has an impossible total");
  if (resource.has_shared_pool() && (!is_amount(resource.shared_pool().total()) || !is_amount(resource.shared_pool().per_task_limit()))) {
    return bad("has an impossible total");
  }
  if (resource.has_exclusive_set()) {
    const auto& set = resource.exclusive_set();
    if (set.items_size() + set.reserved_size() + set.ranges_size() > 65'536) return bad("has too many items");
    for (const auto& range : set.ranges()) {
      if (range.first() > range.last() || !is_amount(range.first()) || !is_amount(range.last())) return bad("has an impossible range");
    }
  }
  if (resource.has_device_set() && resource.device_set().devices_size() > 1024) return bad("has too many devices");
  std::set<std::string> ids;
  for (const auto& device : resource.device_set().devices()) {
    if (!is_name(device.id(), 128) || !ids.insert(device.id()).second) return bad("has a device without an id of its own");
    const bool sane = is_amount(device.memory_mib()) && device.share_milli() >= 0 && device.share_milli() <= 1000;
    if (!sane || device.type() != resource.name()) return bad("has a device of impossible amounts, or of another type");
  }
  return {};
}

}  // namespace

sdk::Result<NodeStore> NodeStore::open(const std::filesystem::path& directory, std::int64_t now_ms, NodeWriter::Failed failed) {
  NodeStore store;
  store.directory_ = directory;
  if (auto made = make_private_directory(directory); !made) return made.error();
  std::vector<std::string> expired;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    // Others than ids are what a crash left of write_durably.
    if (!is_hex(entry.path().filename().string(), 32)) continue;
    auto node = read_node(entry.path());
    if (!node) return node.error();
    if (node->removed_at_ms() == 0) {
      store.nodes_.emplace(node->id(), *node);
    } else if (now_ms < node->certificate_expires_ms() + kTombMs) {
      store.removed_.insert(node->id());
    } else {
      expired.push_back(node->id());
    }
  }
  if (error) return sdk::fail(BERTH_INTERNAL, "cannot list " + directory.string() + ": " + error.message());
  for (const auto& [id, node] : store.nodes_) {
    if (node.registered_at_ms() == 0 && now_ms - node.joined_at_ms() > kDayMs) expired.push_back(id);
  }
  for (const auto& id : expired) {
    if (auto erased = store.erase(id); !erased) return erased.error();
  }
  store.writer_ = std::make_unique<NodeWriter>(directory, std::move(failed));
  return store;
}

sdk::Result<void> NodeStore::put(const v1::StoredNode& node) {
  if (auto written = writer_->write(node.id(), node.SerializeAsString()); !written) return written;
  nodes_[node.id()] = node;
  return {};
}

void NodeStore::put_later(const v1::StoredNode& node) {
  writer_->write_later(node.id(), node.SerializeAsString());
  nodes_[node.id()] = node;
}

sdk::Result<void> NodeStore::remove(const std::string& id, std::int64_t now_ms) {
  v1::StoredNode tomb;
  tomb.set_version(1);
  tomb.set_id(id);
  tomb.set_removed_at_ms(now_ms);
  tomb.set_certificate_expires_ms(nodes_.at(id).certificate_expires_ms());
  if (auto written = writer_->write(id, tomb.SerializeAsString()); !written) return written;
  nodes_.erase(id);
  removed_.insert(id);
  return {};
}

sdk::Result<void> NodeStore::erase(const std::string& id) {
  if (auto removed = remove_durably(directory_ / id); !removed) return removed;
  nodes_.erase(id);
  return {};
}

sdk::Result<void> check_registration(const v1::Registration& registration) {
  const auto& node = registration.node();
  if (!is_cluster(node.cluster())) return sdk::fail(BERTH_INVALID, "the cluster's name is not one", "node.cluster");
  if (node.attributes_size() > 1024) return sdk::fail(BERTH_INVALID, "more than 1024 attributes", "node.attributes");
  for (const auto& attribute : node.attributes()) {
    if (!is_name(attribute.name(), 128) || attribute.value().size() > 128) {
      return sdk::fail(BERTH_INVALID, "attribute '" + attribute.name() + "' has no valid name or value", "node.attributes");
    }
  }
  if (node.resources_size() > 256) return sdk::fail(BERTH_INVALID, "more than 256 resources", "node.resources");
  for (const auto& resource : node.resources()) {
    if (auto checked = check_resource(resource); !checked) return checked;
  }
  if (node.tags_size() > 50) return sdk::fail(BERTH_INVALID, "more than 50 tags", "node.tags");
  for (const std::string* text : {&node.ec2_instance_id(), &node.agent_version(), &node.agent_hash(),
                                  &node.runtime_version(), &node.capacity_provider()}) {
    if (text->size() > 255) return sdk::fail(BERTH_INVALID, "a version or name is longer than 255 bytes", "node");
  }
  return {};
}

}  // namespace berth::fleet
