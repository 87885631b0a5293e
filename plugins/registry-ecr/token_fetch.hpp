// SPDX-License-Identifier: Apache-2.0
// The two requests that bring tokens: the distribution protocol's Bearer dance, and ECR's
// GetAuthorizationToken.
//
// Threads: any; both block, until `stop` at the latest.
// Errors: DENIED for credentials that were refused, UNAVAILABLE after several attempts,
// PRECONDITION for answers that make no sense. Messages hold no secret.
#pragma once

#include <stop_token>
#include <string>

#include "berth/result.hpp"
#include "plugins/registry-ecr/token_cache.hpp"
#include "sdk/runtime/http/client.hpp"

namespace berth::registry_ecr {

struct BearerRequest {
  std::string realm;  // URL
  std::string service;
  std::string repository;
  std::string basic;  // value of Authorization; empty: anonymous
  std::string ca_pem;
  bool insecure_tls = false;
};

[[nodiscard]] sdk::Result<Token> fetch_bearer(runtime::http::Client& client,
                                              const BearerRequest& request,
                                              const std::stop_token& stop);

struct EcrRequest {
  std::string endpoint;  // URL
  runtime::http::AwsSigning signing;
  std::string ca_pem;
};

[[nodiscard]] sdk::Result<Token> fetch_ecr(runtime::http::Client& client, const EcrRequest& request,
                                           const std::stop_token& stop);

}  // namespace berth::registry_ecr
