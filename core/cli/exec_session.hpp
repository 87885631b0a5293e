// SPDX-License-Identifier: Apache-2.0
// One command run over the API's websocket, with this process's standard input, output, error,
// terminal and signals.
//
// Threads: one; it uses more inside.
#pragma once

#include "core/cli/api_client.hpp"
#include "core/cli/request_signature.hpp"

namespace berth::cli {

struct ExecWish {
  QueryParameters query;  // of GET /berth/v1/exec
  bool input = false;     // send standard input on
  bool terminal = false;  // standard input is one, and the command gets one
};

// The command's exit code. Without a terminal SIGINT and SIGTERM of this process go to the command;
// with one, what is typed does, and these signals end the session. Errors: as ApiClient;
// Unavailable where the connection was lost: the command is ended then.
[[nodiscard]] Result<int> run_exec(const ApiOptions& api, const ExecWish& wish);

}  // namespace berth::cli
