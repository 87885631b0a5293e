// SPDX-License-Identifier: Apache-2.0
// GET /berth/v1/exec: runs a command in a container of a running task, over a websocket
// (core/model/exec_frames.hpp).
//
// Parameters: task (required), cluster, container (required where the task has several), command
// (required; repeated, a word each), terminal and input (true|false), rows and columns of the
// terminal. What is refused is answered as by any other call, before the websocket begins. The end
// of the websocket ends the command. Threads: any.
#pragma once

#include "core/api/ecs/call.hpp"
#include "core/api/exec_source.hpp"
#include "core/api/http/message.hpp"

namespace berth::api {

// Answers the call with a conversation, or a refusal.
void begin_exec(const std::shared_ptr<const Backend>& backend, ExecSource& source,
                const http::Request& request, const http::Answer& answer);

}  // namespace berth::api
