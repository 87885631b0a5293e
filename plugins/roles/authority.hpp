// SPDX-License-Identifier: Apache-2.0
// berth.credentials/1 without the plugin around it: which role has which credentials.
//
// Roles that the operator wrote down first, then STS for those that a pattern lets through.
// Invariant: credentials of STS are the asking session's own and are kept nowhere here.
// Threads: any; blocks where STS is asked. Errors: NOT_FOUND a role that no setting names.
#pragma once

#include <stop_token>
#include <string>

#include "berth/result.hpp"
#include "berth/v1/credentials.pb.h"
#include "plugins/roles/config.hpp"
#include "sdk/runtime/http/client.hpp"

namespace berth::roles {

class Authority {
 public:
  Authority(Config config, std::string region)
      : config_(std::move(config)), region_(std::move(region)) {}

  [[nodiscard]] sdk::Result<v1::RoleCredentials> assume(const v1::AssumeRoleRequest& request,
                                                        std::stop_token stop);

 private:
  [[nodiscard]] sdk::Result<v1::RoleCredentials> ask_sts(const v1::AssumeRoleRequest& request,
                                                         std::stop_token stop);
  const Config config_;
  const std::string region_;
  runtime::http::Client client_;
};

}  // namespace berth::roles
