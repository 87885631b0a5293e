// SPDX-License-Identifier: Apache-2.0
// A control plane: store, core, plugins and API wired together on one loop.
//
// Threads: run from the main thread.
#pragma once

#include "core/daemon/config.hpp"

namespace berth::daemon {

struct RunOptions {
  int ready_fd = -1;           // gets the line "ready" once the API serves
  bool services_rest = false;  // from the first moment nothing is started or stopped for services
};

// Serves until SIGTERM or SIGINT. Errors: what kept it from starting or from going on.
[[nodiscard]] Result<void> run(const Config& config, const RunOptions& options);

}  // namespace berth::daemon
