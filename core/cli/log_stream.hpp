// SPDX-License-Identifier: Apache-2.0
// A task's log lines on this terminal.
#pragma once

#include <string>

#include "core/cli/api_client.hpp"
#include "core/cli/commands.hpp"

namespace berth::cli {

// Prints the lines to stdout and stderr as the containers wrote them, until the stream ends. `options.task` is as the API takes it;
// the container's name is put before each line where `name_containers`. As JSON it is the API's records, one a line.
[[nodiscard]] Result<void> print_logs(ApiClient& api, const Context& context,
                                      const LogsOptions& options, bool name_containers);

}  // namespace berth::cli
