// SPDX-License-Identifier: Apache-2.0
// A plugin's shared library, loaded and its table verified.
//
// Invariants: 1. The table has every slot of ABI 1.0, and abi_major is ours. 2. name matches
// [a-z][a-z0-9-]{0,62}.
// 3. The library stays mapped as long as the process lives (tests may say otherwise).
// Threads: any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "berth/plugin_abi.h"

namespace berth::loading {

class HostPort;

class Library {
 public:
  Library(std::filesystem::path path, const berth_plugin& table, std::shared_ptr<void> handle)
      : path_(std::move(path)), table_(table), handle_(std::move(handle)) {}

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const berth_plugin& table() const { return table_; }
  [[nodiscard]] std::string name() const { return table_.name; }
  [[nodiscard]] std::string version() const { return table_.version; }

  // Keeps the end of the line that an instance of the past gave to the plugin: one that calls its
  // host after destroy must meet something that counts the fault, not freed memory.
  void retire(std::shared_ptr<const HostPort> port) const {
    const std::lock_guard lock(mutex_);
    retired_.push_back(std::move(port));
  }

  // Calls to the host by instances that had been destroyed.
  [[nodiscard]] std::uint64_t calls_after_end() const;

 private:
  const std::filesystem::path path_;
  const berth_plugin& table_;
  const std::shared_ptr<void> handle_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const HostPort>> retired_;
};

using LibraryPtr = std::shared_ptr<const Library>;

}  // namespace berth::loading
