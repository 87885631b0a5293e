// SPDX-License-Identifier: Apache-2.0
// Names in requests become records, or the refusal that ECS has for them.
//
// Threads: loop.
#pragma once

#include <string>

#include "core/control/state.hpp"
#include "core/model/arn.hpp"
#include "core/model/error.hpp"

namespace berth::control {

// `text` is a name, an ARN, or empty for `fallback`. Errors: NotFound of Subject::Cluster, also for
// an INACTIVE one.
[[nodiscard]] Result<ClusterPtr> find_cluster(const State& state, const std::string& text,
                                              const std::string& fallback);
// `text` is an id or an ARN. Errors: NotFound of Subject::Task, also for a task of another cluster.
[[nodiscard]] Result<TaskPtr> find_task(const State& state, const ClusterName& cluster,
                                        const std::string& text);
// For what starts tasks: exists and is ACTIVE. Errors: NotFound or Precondition of
// Subject::TaskDefinition.
[[nodiscard]] Result<TaskDefinitionPtr> find_active_definition(const State& state,
                                                               const std::string& text);

}  // namespace berth::control
