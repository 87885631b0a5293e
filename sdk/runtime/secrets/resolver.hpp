// SPDX-License-Identifier: Apache-2.0
// Secrets and environment files of containers, from a directory of the operator's or from AWS.
//
// A file of the directory wins; what has none is asked of AWS, with the credentials of the task's
// execution role. Values are kept nowhere here, and no message holds anything of one.
// Threads: any; blocks. Errors: complete for an ECS reason: "ResourceInitializationError: ...".
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/secrets/aws_stores.hpp"
#include "sdk/runtime/secrets/env_file.hpp"

namespace berth::runtime::secrets {

struct ResolverSettings {
  std::filesystem::path directory{};          // of secrets, one file each; empty: none
  std::filesystem::path environment_files{};  // DIRECTORY/BUCKET/KEY; empty: none
  bool ask_aws = true;
  std::string region{};  // of parameters without one; empty: the task's
  AwsSettings aws{};
};

class Resolver {
 public:
  // Those of the task's execution role. Errors: as Roles::wait.
  using Credentials = std::function<sdk::Result<v1::RoleCredentials>()>;

  explicit Resolver(ResolverSettings settings) : settings_(settings), aws_(settings.aws) {}

  // What these secrets of the task are, by their names, in their order.
  [[nodiscard]] sdk::Result<Variables> secrets(const v1::StartTaskRequest& task,
                                               const std::vector<v1::ecs::Secret>& wanted,
                                               const Credentials& credentials,
                                               std::stop_token stop = {});
  // What the environmentFiles of a container hold, an override's in place of the definition's.
  [[nodiscard]] sdk::Result<Variables> environment_files(const v1::StartTaskRequest& task,
                                                         std::size_t container,
                                                         const Credentials& credentials,
                                                         std::stop_token stop = {});
  // The text of an object in S3, of the operator's directory of environment files where that has it.
  [[nodiscard]] sdk::Result<std::string> object(const std::string& arn,
                                                const v1::StartTaskRequest& task,
                                                const Credentials& credentials,
                                                const std::stop_token& stop);

 private:
  struct Wanted {
    std::string name;
    ValueFrom from;
    std::string value;
    bool found = false;
  };
  sdk::Result<void> look_in_directory(std::vector<Wanted>& wanted) const;
  sdk::Result<void> look_in_parameters(std::vector<Wanted>& wanted, AwsStores::Session session);
  sdk::Result<void> look_in_secrets_manager(std::vector<Wanted>& wanted,
                                            AwsStores::Session session);
  [[nodiscard]] std::string region_of(const v1::StartTaskRequest& task) const;

  const ResolverSettings settings_;
  AwsStores aws_;
};

// "arn:aws:s3:::BUCKET/KEY". Errors: INVALID.
struct S3Object {
  std::string bucket;
  std::string key;
};
[[nodiscard]] sdk::Result<S3Object> parse_s3_arn(const std::string& arn);

}  // namespace berth::runtime::secrets
