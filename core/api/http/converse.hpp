// SPDX-License-Identifier: Apache-2.0
// A request that goes on as a websocket.
//
// Threads: the line's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "core/api/http/line.hpp"
#include "core/net/websocket.hpp"

namespace berth::api::http {

// Runs the response's conversation until one of the sides or the server ends it; the line is closed
// then.
boost::asio::awaitable<void> converse(std::shared_ptr<Line> line, Response response,
                                      net::Websocket::Request request);

}  // namespace berth::api::http
