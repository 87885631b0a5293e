// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP/1.x request, as little of it as the task endpoints need.
//
// Threads: any; pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::runtime::metadata {

struct Request {
  std::string method;  // "GET"
  std::string path;    // "/v4/ID/task", without query and without slashes at its end; "/" alone
};

struct ParsedRequest {
  enum class State {
    Incomplete,  // more bytes are needed
    Whole,
    Bad,  // answer `status` and close
  };
  State state = State::Incomplete;
  int status = 0;
  Request request;
};

// Bytes of a head that is not taken to be one any more.
inline constexpr std::size_t kHeadMost = 8192;

// Reads what has come so far. A body is not waited for: no request to these endpoints has one.
[[nodiscard]] ParsedRequest parse_request(std::string_view bytes);

}  // namespace berth::runtime::metadata
