// SPDX-License-Identifier: Apache-2.0
// Responses on their way to a client.
//
// Threads: the line's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string_view>

#include "core/api/http/line.hpp"

namespace berth::api::http {

struct ResponseForm {
  unsigned version = 11;
  bool keep_alive = false;
};

// True where the connection goes on.
boost::asio::awaitable<bool> send(std::shared_ptr<Line> line, Response response, ResponseForm form);

// A response whose body is a stream: until its end or the client's, after which the connection
// ends.
boost::asio::awaitable<void> send_stream(std::shared_ptr<Line> line, Response response,
                                         unsigned version);

// The client may send the body it announced, in the time that its request has left.
boost::asio::awaitable<void> send_continue(std::shared_ptr<Line> line,
                                           boost::system::error_code& ec);

}  // namespace berth::api::http
