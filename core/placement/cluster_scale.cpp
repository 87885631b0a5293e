// SPDX-License-Identifier: Apache-2.0
#include "core/placement/cluster_scale.hpp"

namespace berth::placement {

NodeScale scale_of(const Books& books, std::uint32_t node, const std::string& device_type) {
  const NodeRow& row = books.row(node);
  NodeScale out{.cpu = row.total_cpu, .memory_mib = row.total_memory_mib};
  for (const Device& device : books.devices(node).devices())
    out.device_milli += device.type == device_type ? 1000 : 0;
  return out;
}

void ClusterScale::look_again(const Books& books, std::uint32_t node) {
  const NodeScale before = nodes_[node];
  const NodeScale now = books.is_live(node) ? scale_of(books, node, device_type_) : NodeScale{};
  if (now == before) return;
  nodes_[node] = now;
  const auto count = [](auto& counts, std::int64_t old, std::int64_t amount) {
    if (const auto at = counts.find(old); at != counts.end() && --at->second == 0) counts.erase(at);
    if (amount > 0) ++counts[amount];
  };
  count(counts_[0], before.cpu, now.cpu);
  count(counts_[1], before.memory_mib, now.memory_mib);
  count(counts_[2], before.device_milli, now.device_milli);
}

void ClusterScale::refresh(const Books& books) {
  const ChangeLog& log = books.identity_log();
  if (seen_ == log.count()) return;
  const ChangeLog::Changes changes = log.since(seen_);
  seen_ = log.count();
  nodes_.resize(books.node_end());
  for (const std::uint32_t node : changes.things) look_again(books, node);
  for (std::uint32_t node = 0; changes.all && node < books.node_end(); ++node)
    look_again(books, node);
  const auto most = [](const auto& counts) { return counts.empty() ? 0 : counts.rbegin()->first; };
  const NodeScale now{
      .cpu = most(counts_[0]), .memory_mib = most(counts_[1]), .device_milli = most(counts_[2])};
  if (now == largest_) return;
  largest_ = now;
  ++generation_;
}

}  // namespace berth::placement
