// SPDX-License-Identifier: Apache-2.0
// Parts that answers about placement share.
//
// Threads: any.
#pragma once

#include <string>

#include "berth/model/berth_operations.pb.h"
#include "core/control/commands.hpp"

namespace berth::api {

[[nodiscard]] model::TaskPlace show_place(const control::TaskPlace& place);
[[nodiscard]] model::RefusalCount show_refusal(const control::RefusalCount& refusal);
// "spread(attribute:ecs.availability-zone)", "random".
[[nodiscard]] std::string strategy_text(const model::PlacementStrategy& strategy);

}  // namespace berth::api
