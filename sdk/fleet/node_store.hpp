// SPDX-License-Identifier: Apache-2.0
// Who has joined a fleet, and what each last offered: one durable file a node.
//
// Invariants: what is in memory is on disk, but for what put_later() is given, which follows. An identity that never registered is dropped after a day: its agent
// died between joining and its first hello, and has joined again. One that was removed is remembered until a year after
// its last certificate: its agent, whenever it comes back, is to hear so and let its tasks go.
// Threads: one at a time. Errors: INTERNAL; INVALID for a file that is not a node, or of a newer version.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "berth/fleet/v1/fleet.pb.h"
#include "berth/result.hpp"
#include "sdk/fleet/node_writer.hpp"

namespace berth::fleet {

class NodeStore {
 public:
  // Reads every node. A file that cannot be read is an error that names it: nothing is overwritten.
  // `failed` is told of what put_later() could not write.
  static sdk::Result<NodeStore> open(const std::filesystem::path& directory, std::int64_t now_ms, NodeWriter::Failed failed = {});

  // By id; with those that have not registered yet, without those that were removed.
  [[nodiscard]] const std::map<std::string, v1::StoredNode>& nodes() const { return nodes_; }

  [[nodiscard]] bool was_removed(const std::string& id) const { return removed_.contains(id); }

  sdk::Result<void> put(const v1::StoredNode& node);
  // Does not wait for the disk: for what its agent says again when it comes back.
  void put_later(const v1::StoredNode& node);
  // Revokes: a certificate of this node is worth nothing from now on.
  sdk::Result<void> remove(const std::string& id, std::int64_t now_ms);

 private:
  sdk::Result<void> erase(const std::string& id);

  std::filesystem::path directory_;
  std::unique_ptr<NodeWriter> writer_;
  std::map<std::string, v1::StoredNode> nodes_;
  std::set<std::string> removed_;
};

// What is wrong with a registration, if anything: names, amounts and lists within the bounds of what the core takes.
sdk::Result<void> check_registration(const v1::Registration& registration);

}  // namespace berth::fleet
