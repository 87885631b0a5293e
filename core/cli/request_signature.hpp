// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 of a GET without a body, for what libcurl does not carry: websockets.
//
// Threads: any; pure.
#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "core/cli/api_client.hpp"

namespace berth::cli {

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

struct GetRequest {
  std::string host;  // as the Host header says it
  std::string path;  // of letters, digits and "/-_.~"
  QueryParameters query;
};

struct SignedHeaders {
  std::string date;           // X-Amz-Date
  std::string authorization;  // Authorization
};

// "name=value&..." in the order given, percent-encoded.
[[nodiscard]] std::string query_text(const QueryParameters& query);

// With the keys and the region of `options`, for the service ecs.
[[nodiscard]] SignedHeaders sign_get(const GetRequest& request, const ApiOptions& options,
                                     std::time_t now);

}  // namespace berth::cli
