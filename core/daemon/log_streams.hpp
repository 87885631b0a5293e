// SPDX-License-Identifier: Apache-2.0
// Log streams from plugins to the API: numbers them, parses records, passes credit back.
//
// Threads: open and the streams it gives: any; chunk: loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "core/api/log_source.hpp"
#include "core/daemon/plugin_set.hpp"

namespace berth::daemon {

class LogStreams final : public api::LogSource {
 public:
  // `post` runs work on the loop; both must outlive this.
  LogStreams(PluginSet& plugins, std::function<void(std::function<void()>)> post);
  ~LogStreams() override;

  [[nodiscard]] std::unique_ptr<api::LogStream> open(api::LogQuery query, std::uint32_t credit_bytes,
                                                     std::shared_ptr<api::LogSink> sink) override;
  // A serialised v1::StreamChunk; of an unknown stream it is dropped.
  void chunk(std::string_view payload);

 private:
  struct Stream;
  struct Table;
  class Handle;
  static void begin(const std::shared_ptr<Table>& table, const std::shared_ptr<Stream>& stream,
                    api::LogQuery query, std::uint32_t credit_bytes);

  std::shared_ptr<Table> table_;
};

}  // namespace berth::daemon
