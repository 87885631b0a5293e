// SPDX-License-Identifier: Apache-2.0
// What Engine::choose_to_stop must answer, found by looking at everything for each task anew.
#pragma once

#include <vector>

#include "core/placement/types.hpp"
#include "tests/core/placement/oracle.hpp"

namespace berth::placement::testing {

[[nodiscard]] std::vector<ReservationId> stops(Oracle oracle, const Request& request,
                                               const StopQuestion& question);

}  // namespace berth::placement::testing
