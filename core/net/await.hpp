// SPDX-License-Identifier: Apache-2.0
// How coroutines wait here: `co_await operation(..., into(ec))` puts its error into `ec` and throws
// nothing.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace berth::net {

inline auto into(boost::system::error_code& ec) {
  return boost::asio::redirect_error(boost::asio::use_awaitable, ec);
}

}  // namespace berth::net
