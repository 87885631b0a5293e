// SPDX-License-Identifier: Apache-2.0
// The settings of `[plugins.roles]`, checked. README.md has the table for operators.
//
// Threads: plain values. Secrets are in here: nothing of it is logged.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/settings.hpp"

namespace berth::roles {

// A key of AWS; what lies in a file is read anew at each use.
struct Keys {
  std::string access_key_id;
  std::string secret_access_key;
  std::string secret_access_key_file;
  std::string session_token;
  std::string session_token_file;

  [[nodiscard]] bool is_set() const { return !access_key_id.empty(); }
};
struct PlainKeys {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
};
// Errors: DENIED, naming the file that cannot be read, never what is in it.
[[nodiscard]] sdk::Result<PlainKeys> read_keys(const Keys& keys);

struct StsSettings {
  std::string endpoint;  // URL; empty: https://sts.REGION.amazonaws.com
  std::string region;    // empty: Berth's
  std::string ca_file;   // PEM, trusted besides the system's
  std::string external_id;
  std::int64_t duration_seconds = 3600;
  Keys keys;  // not set: AWS_ACCESS_KEY_ID and so on of berthd
};

struct Config {
  std::map<std::string, Keys> roles;  // by ARN
  std::vector<std::string> assume;    // patterns of ARNs that may be asked of STS
  StsSettings sts;
};

// Reads all keys; what is wrong or unknown is rejected in `settings`, by name.
[[nodiscard]] Config read_config(sdk::Settings& settings);

// Whether `text` matches `pattern`, in which '*' stands for any run of characters.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace berth::roles
