// SPDX-License-Identifier: Apache-2.0
// What GET /metrics tells of records, plugins and this process: read anew for each scrape, so that
// nothing is left of what is gone.
//
// Threads: any; the state's on the loop.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "berth/model/berth_operations.pb.h"
#include "core/control/state.hpp"

namespace berth::api {

using Families = std::vector<prometheus::MetricFamily>;

// At a cost of the number of tasks.
[[nodiscard]] Families metrics_of(const control::State& state);
[[nodiscard]] Families metrics_of(const std::vector<model::PluginDescription>& plugins);
// CPU, memory, descriptors and start of this process, by Prometheus's usual names.
[[nodiscard]] Families process_metrics();

}  // namespace berth::api
