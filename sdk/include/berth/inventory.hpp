// SPDX-License-Identifier: Apache-2.0
// The nodes of a launch type, published as snapshots and deltas with generations.
//
// Invariants: 1. Nothing is published before publish(). 2. Generations grow by one with each
// event. 3. A snapshot too large for one payload leaves in parts. Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "berth/host.hpp"

namespace berth::sdk {

// A resource that tasks add up to: "CPU" in units of 1/1024 vCPU, "MEMORY" in MiB, or a name of
// one's own.
[[nodiscard]] inline v1::Resource counter(std::string name, std::int64_t total) {
  v1::Resource resource;
  resource.set_name(std::move(name));
  resource.mutable_counter()->set_total(total);
  return resource;
}

class Inventory {
 public:
  explicit Inventory(Host host) : host_(std::move(host)) {}

  // Adds a node or replaces the one with its id; tells the host once publish() was called.
  void set(v1::Node node) {
    const std::lock_guard lock(mutex_);
    v1::InventoryDelta delta;
    if (published_) *delta.add_upserts() = node;
    nodes_[node.id()] = std::move(node);
    send(delta);
  }

  void remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    if (nodes_.erase(id) == 0) return;
    v1::InventoryDelta delta;
    delta.add_removals(id);
    send(delta);
  }

  // Sends the whole list: from activate on, when the first picture is complete. Until then nothing
  // is placed here.
  void publish() {
    const std::lock_guard lock(mutex_);
    published_ = true;
    send_snapshot();
  }

  // As publish(), but nothing before the first publish(). The SDK calls it when the host asks for
  // what is owned.
  void resend() {
    const std::lock_guard lock(mutex_);
    if (published_) send_snapshot();
  }

 private:
  static constexpr std::size_t kPartMax = BERTH_PAYLOAD_MAX / 2;

  // The lock is held over report(), so that generations arrive in order; recursive, as the host may
  // call back.
  void send(v1::InventoryDelta& delta) {
    if (!published_) return;
    delta.set_base(generation_);
    delta.set_generation(++generation_);
    host_.report(delta);
  }

  void send_snapshot() {
    std::vector<v1::InventorySnapshot> parts(1);
    std::size_t size = 0;
    for (const auto& [id, node] : nodes_) {
      const std::size_t more = node.ByteSizeLong() + 8;
      if (size + more > kPartMax && size > 0) {
        parts.emplace_back();
        size = 0;
      }
      size += more;
      *parts.back().add_nodes() = node;
    }
    ++generation_;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i].set_generation(generation_);
      parts[i].set_more(i + 1 < parts.size());
      host_.report(parts[i]);
    }
  }

  Host host_;
  std::recursive_mutex mutex_;
  bool published_ = false;
  std::uint64_t generation_ = 0;
  std::map<std::string, v1::Node> nodes_;
};

}  // namespace berth::sdk
