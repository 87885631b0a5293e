// SPDX-License-Identifier: Apache-2.0
// The berth_host table of one instance, and where its calls go. Outlives the instance
// (Library::retire).
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "berth/plugin_abi.h"

namespace berth::loading {

class HostSide;

class HostPort {
 public:
  HostPort();
  HostPort(const HostPort&) = delete;
  HostPort& operator=(const HostPort&) = delete;

  [[nodiscard]] const berth_host& table() const { return table_; }
  void connect(std::shared_ptr<HostSide> host);
  void disconnect();
  [[nodiscard]] std::uint64_t calls_after_end() const { return after_end_; }

 private:
  static void on_complete(void* context, std::uint64_t operation, berth_status status,
                          berth_bytes payload);
  static void on_emit(void* context, std::uint32_t event, berth_bytes payload);
  static void on_log(void* context, std::int32_t level, berth_bytes message);
  // The instance's side, or null and one fault more.
  [[nodiscard]] std::shared_ptr<HostSide> host();

  const berth_host table_;
  std::mutex mutex_;
  std::shared_ptr<HostSide> host_;
  std::atomic<std::uint64_t> after_end_ = 0;
};

}  // namespace berth::loading
