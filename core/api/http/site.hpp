// SPDX-License-Identifier: Apache-2.0
// What all sessions of a server share.
#pragma once

#include <memory>

#include "core/api/http/server.hpp"

namespace boost::asio {
class io_context;
}

namespace berth::api::http {

struct Site {
  Options options;
  Handler handler;
  std::shared_ptr<boost::asio::io_context> io;
};

}  // namespace berth::api::http
