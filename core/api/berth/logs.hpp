// SPDX-License-Identifier: Apache-2.0
// GET /berth/v1/logs: the log of a task as newline-delimited JSON records, while it is written
// where asked.
//
// Parameters: task (required), cluster, container (may repeat), follow (true|false), tail (lines),
// since (epoch seconds). A record:
// {"container":"web","time":"2026-11-23T13:22:35.123456789Z","stream":"stdout","log":"...","partial":true}.
// A stream that breaks off ends with {"error":"..."} and a cut connection.
// Threads: any.
#pragma once

#include "core/api/ecs/call.hpp"
#include "core/api/http/message.hpp"
#include "core/api/log_source.hpp"

namespace berth::api {

// Answers the call with a stream, or a refusal.
void stream_logs(const std::shared_ptr<const Backend>& backend, LogSource& source,
                 const http::Request& request, const http::Answer& answer);

// One record as a line, appended.
void write_record(std::string& out, const v1::LogRecord& record);

}  // namespace berth::api
