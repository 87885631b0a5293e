// SPDX-License-Identifier: Apache-2.0
// The settings of `[plugins.registry-ecr]`, checked. README.md has the table for operators.
//
// Threads: plain values. Secrets are in here: nothing of it is logged.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "berth/settings.hpp"

namespace berth::registry_ecr {

// A user's name, and a password that is read anew each time where it lies in a file.
struct Login {
  std::string username;
  std::string password;
  std::string password_file;

  [[nodiscard]] bool is_set() const { return !username.empty(); }
  // "Basic ...". Errors: DENIED where the file cannot be read.
  [[nodiscard]] sdk::Result<std::string> basic() const;
};

// What the operator said of one registry (or mirror), by "host[:port]".
struct RegistrySettings {
  Login login;
  std::optional<bool> plain_http;  // not said: yes for loopback hosts without a certificate setting
  std::string ca_file;
  bool insecure_tls = false;
  bool ecr = false;         // credentials come from ECR's GetAuthorizationToken
  std::string token_realm;  // beginning of the URLs that may hear the password, besides the
                            // registry's own domain
  std::vector<std::string> mirrors;  // URLs, best first
  bool mirrors_resolve_tags = true;
};

struct EcrSettings {
  std::string endpoint;  // URL; empty: https://api.ecr.REGION.amazonaws.com
  std::string region;  // empty: the registry host's, AWS_REGION, AWS_DEFAULT_REGION, Berth's region
  std::string access_key_id;
  std::string secret_access_key;
  std::string secret_access_key_file;
  std::string session_token;
  std::string ca_file;
};

struct Config {
  std::map<std::string, RegistrySettings> registries;
  std::map<std::string, Login> credentials;  // by repositoryCredentials.credentialsParameter
  EcrSettings ecr;
  std::string ca_file;  // trusted for every registry
  std::string secretsmanager_endpoint;  // URL; empty: AWS's own

  [[nodiscard]] const RegistrySettings& of(const std::string& host) const;
};

// Reads all keys; what is wrong or unknown is rejected in `settings`, by name.
[[nodiscard]] Config read_config(sdk::Settings& settings);

// The whole file without line ends at its end. Errors: DENIED, naming the file, never what is in
// it.
[[nodiscard]] sdk::Result<std::string> read_secret(const std::string& path);

[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace berth::registry_ecr
