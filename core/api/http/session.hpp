// SPDX-License-Identifier: Apache-2.0
// One connection; for server.cpp only.
//
// Threads: start_session on any, each session runs on its stream's executor.
#pragma once

#include <functional>
#include <memory>

#include "core/api/http/site.hpp"
#include "core/net/byte_stream.hpp"

namespace berth::api::http {

class Session {
 public:
  virtual ~Session() = default;
  // Ends after the request under way; at once where there is none, or a stream is sent.
  virtual void stop() = 0;
  // Ends now.
  virtual void cut() = 0;
};

// `ended` is called once, on the stream's executor.
[[nodiscard]] std::shared_ptr<Session> start_session(std::unique_ptr<net::ByteStream> stream,
                                                     std::shared_ptr<const Site> site,
                                                     std::function<void()> ended);

}  // namespace berth::api::http
