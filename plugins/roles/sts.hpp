// SPDX-License-Identifier: Apache-2.0
// AssumeRole of AWS's Security Token Service, or of anything that speaks like it.
//
// Threads: any; blocks. Errors: DENIED what the service refused, in its words; UNAVAILABLE;
// PRECONDITION an answer that cannot be read.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "berth/result.hpp"
#include "berth/v1/credentials.pb.h"
#include "sdk/runtime/http/client.hpp"

namespace berth::roles {

struct StsRequest {
  std::string endpoint;  // URL without a slash at its end
  runtime::http::AwsSigning signing;
  std::string ca_pem;
  std::string role_arn;
  std::string session_name;
  std::string external_id;  // empty: none
  std::int64_t duration_seconds = 3600;
};

[[nodiscard]] sdk::Result<v1::RoleCredentials> assume_role(runtime::http::Client& client,
                                                           const StsRequest& request,
                                                           std::stop_token stop);

// Of the service's XML. Errors: PRECONDITION.
[[nodiscard]] sdk::Result<v1::RoleCredentials> read_assumed(std::string_view xml);

}  // namespace berth::roles
