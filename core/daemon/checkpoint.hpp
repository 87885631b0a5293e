// SPDX-License-Identifier: Apache-2.0
// Named points at which a test may have this process killed, as a power cut would.
//
// BERTH_FAILPOINT=NAME or NAME:N in the environment: SIGKILL at the first (N-th) passage of that point; with
// BERTH_FAILPOINT_GATE=FILE passages count only while FILE exists. Unset, a passage costs one comparison. Threads: any.
#pragma once

#include <string_view>

namespace berth::daemon {

void pass_checkpoint(std::string_view name);

}  // namespace berth::daemon
