// SPDX-License-Identifier: Apache-2.0
// Exec calls between plugins and the API.
//
// Threads: any.
#pragma once

#include <memory>

#include "core/api/exec_source.hpp"
#include "core/daemon/plugin_streams.hpp"

namespace berth::daemon {

class ExecStreams final : public api::ExecSource {
 public:
  // `streams` must outlive this.
  explicit ExecStreams(PluginStreams& streams) : streams_(streams) {}

  [[nodiscard]] std::unique_ptr<api::ExecStream> open(api::ExecQuery query,
                                                      std::shared_ptr<api::ExecSink> sink) override;

 private:
  PluginStreams& streams_;
};

}  // namespace berth::daemon
