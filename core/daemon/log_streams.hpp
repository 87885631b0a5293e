// SPDX-License-Identifier: Apache-2.0
// Log streams from plugins to the API: parses their records.
//
// Threads: any.
#pragma once

#include <memory>

#include "core/api/log_source.hpp"
#include "core/daemon/plugin_streams.hpp"

namespace berth::daemon {

class LogStreams final : public api::LogSource {
 public:
  // `streams` must outlive this.
  explicit LogStreams(PluginStreams& streams) : streams_(streams) {}

  [[nodiscard]] std::unique_ptr<api::LogStream> open(api::LogQuery query, std::uint32_t credit_bytes,
                                                     std::shared_ptr<api::LogSink> sink) override;

 private:
  PluginStreams& streams_;
};

}  // namespace berth::daemon
