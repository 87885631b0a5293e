// SPDX-License-Identifier: Apache-2.0
// When the records were last written, as far as they say so themselves.
//
// Threads: loop.
#pragma once

#include "core/control/state.hpp"
#include "core/model/instant.hpp"

namespace berth::control {

// The newest instant that the control plane's own clock has put into a record: what it says of
// hosts (when a container began) and of times to come (until when a task is protected) counts not.
// The epoch where there is none. Costs a look at every record.
[[nodiscard]] Instant newest_own_time(const State& state);

}  // namespace berth::control
