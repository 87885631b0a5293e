// SPDX-License-Identifier: Apache-2.0
// What was given out, on disk: one file an endpoint, and the subnet that was chosen.
//
// Threads: one at a time. Errors: INTERNAL.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/network/task_network.hpp"

namespace berth::runtime {

struct EndpointRecord {
  Endpoint endpoint;
  bool whole = false;  // everything that it needs has been made
};

class EndpointFiles {
 public:
  // Makes the directory where missing.
  static sdk::Result<EndpointFiles> open(std::string dir);

  // All that can be read; others are removed.
  [[nodiscard]] std::map<std::string, EndpointRecord> load() const;
  [[nodiscard]] sdk::Result<void> save(const EndpointRecord& record) const;
  void drop(const std::string& id) const;

  [[nodiscard]] std::string subnet() const;
  [[nodiscard]] sdk::Result<void> save_subnet(const std::string& subnet) const;
  void drop_subnet() const;

 private:
  explicit EndpointFiles(std::string dir) : dir_(std::move(dir)) {}
  [[nodiscard]] std::string path(const std::string& id) const { return dir_ + "/endpoints/" + id; }
  std::string dir_;
};

}  // namespace berth::runtime
