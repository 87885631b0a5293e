// SPDX-License-Identifier: Apache-2.0
// SSM's Parameter Store, Secrets Manager and S3, asked with the credentials of a task's execution
// role.
//
// Threads: any; blocks. Errors: messages end in what the service said, "TYPE: words", and hold
// nothing of an answer's values; NOT_FOUND, DENIED, UNAVAILABLE (after some attempts), CANCELLED.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/credentials.pb.h"
#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/secrets/value_from.hpp"

namespace berth::runtime::secrets {

struct AwsSettings {
  // URLs without a slash at their end; empty: the service's own in the region asked for.
  std::string ssm_endpoint{};
  std::string secretsmanager_endpoint{};
  std::string s3_endpoint{};
  std::string ca_file{};  // PEM, trusted besides the system's
};

class AwsStores {
 public:
  explicit AwsStores(AwsSettings settings) : settings_(std::move(settings)) {}

  // Whose credentials, for which region, and until when.
  struct Session {
    v1::RoleCredentials credentials;
    std::string region;
    std::stop_token stop{};
  };

  // By the ids asked for. Errors: NOT_FOUND "invalid parameters: A,B" where one is missing.
  [[nodiscard]] sdk::Result<std::map<std::string, std::string>> parameters(
      const std::vector<std::string>& ids, const Session& session);
  [[nodiscard]] sdk::Result<std::string> secret(const ValueFrom& from, const Session& session);
  [[nodiscard]] sdk::Result<std::string> object(const std::string& bucket, const std::string& key,
                                                const Session& session);

 private:
  struct Service {
    const char* name;  // as it is signed for
    const std::string& endpoint;
  };
  [[nodiscard]] sdk::Result<http::Response> send(http::Request request, const Service& service,
                                                 const Session& session);
  [[nodiscard]] sdk::Result<std::string> call(const Service& service, const std::string& target,
                                              std::string body, const Session& session);
  const AwsSettings settings_;
  http::Client client_;
};

}  // namespace berth::runtime::secrets
