// SPDX-License-Identifier: Apache-2.0
// The one place where failures get the names that ECS gives them.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "core/api/http/message.hpp"
#include "core/model/error.hpp"

namespace berth::api {

// A failure as a client sees it.
struct Exception {
  std::string type;  // "ClusterNotFoundException"; front-end ones carry Coral's prefix
  int status = 400;
  std::string message;                      // empty: none is sent
  std::vector<std::string> resource_ids{};  // ConflictException
};

// By Errc and Subject.
[[nodiscard]] Exception exception_of(const Error& error);
// A body that does not have the shape of the operation's input.
[[nodiscard]] Exception serialization_exception(const Error& error);
// One of the front end: before an operation is known. `name` without prefix.
[[nodiscard]] Exception front_end_exception(const std::string& name, std::string message);
// A known operation or member that this version of Berth does not serve; the message names it.
[[nodiscard]] Exception unsupported(std::string message);

[[nodiscard]] http::Response to_response(const Exception& exception);

}  // namespace berth::api
