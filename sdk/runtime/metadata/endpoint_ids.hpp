// SPDX-License-Identifier: Apache-2.0
// The ids in the URIs that containers are given: whoever knows one may read what it stands for.
//
// They are made of a key of this host's and what they stand for, so they are the same after a
// restart and need no record. Threads: any. Errors: INTERNAL for the key's file.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "berth/result.hpp"

namespace berth::runtime::metadata {

class EndpointIds {
 public:
  // Reads the key, or makes one: 32 random bytes, mode 0600, on disk before it is used.
  static sdk::Result<EndpointIds> open(const std::filesystem::path& key_file);

  // UUIDs, as ECS's.
  [[nodiscard]] std::string of_container(const std::string& task_id, std::size_t container) const;
  [[nodiscard]] std::string of_credentials(const std::string& task_id) const;

 private:
  using Key = std::array<unsigned char, 32>;
  explicit EndpointIds(const Key& key) : key_(key) {}
  [[nodiscard]] std::string uuid_of(std::string_view what) const;
  Key key_;
};

}  // namespace berth::runtime::metadata
