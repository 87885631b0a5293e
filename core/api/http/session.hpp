// SPDX-License-Identifier: Apache-2.0
// One connection; for server.cpp only (it includes Asio).
//
// Threads: start_session on any, each session runs on its socket's strand.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "core/api/http/server.hpp"

namespace boost::asio {
class io_context;
namespace ssl {
class context;
}
}  // namespace boost::asio

namespace berth::api::http {

// What all sessions share.
struct Site {
  Options options;
  Handler handler;
  std::shared_ptr<boost::asio::io_context> io;
};

class Session {
 public:
  virtual ~Session() = default;
  // Ends after the request under way; at once where there is none, or a stream is sent.
  virtual void stop() = 0;
  // Ends now.
  virtual void cut() = 0;
};

// `ended` is called once, on the strand. `tls` is null for plain HTTP, else outlives the session.
[[nodiscard]] std::shared_ptr<Session> start_session(boost::asio::ip::tcp::socket socket,
                                                     boost::asio::ssl::context* tls,
                                                     std::shared_ptr<const Site> site,
                                                     std::function<void()> ended);

// A date as HTTP writes it: "Mon, 23 Nov 2026 13:22:35 GMT".
[[nodiscard]] std::string http_date(Instant at);

}  // namespace berth::api::http
