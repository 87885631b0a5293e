// SPDX-License-Identifier: Apache-2.0
// berth.registry/1 without the plugin around it: which endpoints, and which header for one of them.
//
// A header is given only for an endpoint that mirrors() gives for that registry, so a host cannot
// have one made for a place of its own choice; and it allows no more than pulling one repository,
// where the registry can say so. Threads: any. Callbacks as TokenCache's. Errors: DENIED for
// credentials that are missing, unknown or refused, telling what to set; INVALID; UNAVAILABLE.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "berth/result.hpp"
#include "berth/v1/credentials.pb.h"
#include "berth/v1/registry.pb.h"
#include "plugins/registry-ecr/challenge.hpp"
#include "plugins/registry-ecr/config.hpp"
#include "plugins/registry-ecr/endpoints.hpp"
#include "plugins/registry-ecr/token_cache.hpp"
#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/secrets/aws_stores.hpp"

namespace berth::registry_ecr {

class Authority {
 public:
  using Answer = std::function<void(const sdk::Result<v1::AuthorizeResponse>&)>;
  // Credentials of an execution role; answers once, from any thread. Errors: NOT_FOUND for a role
  // that nobody knows.
  using AssumeRole = std::function<void(
      const v1::AssumeRoleRequest&, std::function<void(sdk::Result<v1::RoleCredentials>)>)>;

  // `region`: Berth's, where nothing else names ECR's. Without `assume_role` the operator's keys
  // are used for all tasks.
  Authority(Config config, std::string region, AssumeRole assume_role = {});

  [[nodiscard]] sdk::Result<v1::MirrorsResponse> mirrors(const v1::MirrorsRequest& request) const;
  void authorize(const v1::AuthorizeRequest& request, const Answer& answer);

 private:
  sdk::Result<Place> place_of(const v1::AuthorizeRequest& request) const;
  sdk::Result<Login> login_of(const v1::AuthorizeRequest& request, const Place& place) const;
  void authorize_by_secret(const v1::AuthorizeRequest& request, const Place& place,
                           const Answer& answer);
  void authorize_with(const v1::AuthorizeRequest& request, const Place& place, const Login& login,
                      const Answer& answer);
  void authorize_ecr(const v1::AuthorizeRequest& request, const Answer& answer);
  void authorize_basic(const v1::AuthorizeRequest& request, const Place& place, const Login& login,
                       const Answer& answer) const;
  void authorize_bearer(const v1::AuthorizeRequest& request, const Place& place, const Login& login,
                        const Challenge& challenge, const Answer& answer);
  sdk::Result<runtime::http::AwsSigning> signing_for(const std::string& registry,
                                                     const std::string& role,
                                                     const std::stop_token& stop) const;
  sdk::Result<v1::RoleCredentials> role_credentials(const std::string& role,
                                                    const std::stop_token& stop) const;
  sdk::Result<runtime::http::AwsSigning> operators_keys() const;
  [[nodiscard]] std::string ecr_endpoint(const std::string& region) const;
  std::string region_for(const std::string& registry) const;

  const Config config_;
  const std::string region_;
  const AssumeRole assume_role_;
  runtime::secrets::AwsStores secrets_;
  std::mutex mutex_;
  std::map<std::string, Challenge> learned_;  // by endpoint: what it asked for last
  runtime::http::Client client_;
  TokenCache tokens_;  // last: its threads use the others
};

}  // namespace berth::registry_ecr
