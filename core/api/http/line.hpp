// SPDX-License-Identifier: Apache-2.0
// The line to one client: its stream, what came over it and was not read yet, and what is known of
// its ends. For the sessions only.
//
// Threads: the stream's executor, but waker()'s function. Reads that watch the client hold it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <functional>
#include <memory>

#include "core/api/http/site.hpp"
#include "core/net/byte_stream.hpp"

namespace berth::api::http {

class Line : public std::enable_shared_from_this<Line> {
 public:
  Line(std::shared_ptr<const Site> site, std::unique_ptr<net::ByteStream> stream);

  [[nodiscard]] const Site& site() const { return *site_; }
  [[nodiscard]] const Options& options() const { return site_->options; }
  [[nodiscard]] net::ByteStream& stream() { return *stream_; }

  // Ends the wait under way, or the next one.
  void signal();
  // Signals, from any thread, as long as the line is there.
  [[nodiscard]] std::function<void()> waker();
  // Until signal() or the limit.
  boost::asio::awaitable<void> wait(milliseconds limit);
  // Until what is waited for is so, or the limit; each step of it is signalled.
  boost::asio::awaitable<void> wait_until(std::function<bool()> done, milliseconds limit);

  // While its answer is made the client may go, and must not keep its place among the connections
  // until then. What it says instead is the next request's beginning.
  void watch_peer();
  // From now on nothing is to be heard but the client's end.
  void watch_end();

  boost::beast::flat_buffer buffer;
  bool reading = false;    // by watch_peer, or a websocket
  bool streaming = false;  // what is sent ends with the client
  bool gone = false;       // the client has closed its side, or broke off
  bool stopping = false;
  bool cut = false;

 private:
  void watch();

  std::shared_ptr<const Site> site_;
  std::unique_ptr<net::ByteStream> stream_;
  boost::asio::steady_timer wake_;
  bool signalled_ = false;
  char discarded_ = 0;
};

}  // namespace berth::api::http
