// SPDX-License-Identifier: Apache-2.0
// Where the counters of running containers come from: the daemon asks launch type plugins.
//
// Threads: any.
#pragma once

#include <functional>
#include <string>

#include "berth/v1/launch.pb.h"
#include "core/model/error.hpp"
#include "core/model/ids.hpp"

namespace berth::api {

class StatsSource {
 public:
  virtual ~StatsSource() = default;
  // The containers of one node, or of one task there. `done` is called once, on any thread, within
  // seconds.
  virtual void read(const PluginName& plugin, const v1::StatsRequest& request,
                    std::function<void(Result<v1::StatsResponse>)> done) = 0;
};

}  // namespace berth::api
