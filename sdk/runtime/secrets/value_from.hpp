// SPDX-License-Identifier: Apache-2.0
// What the valueFrom of a secret names: a parameter of SSM's Parameter Store or a secret of Secrets
// Manager.
//
// Threads: any; pure. Errors: INVALID, with words for the operator.
#pragma once

#include <string>
#include <string_view>

#include "berth/result.hpp"

namespace berth::runtime::secrets {

struct ValueFrom {
  enum class Store { Parameters, SecretsManager };
  Store store = Store::Parameters;
  std::string region;  // of the ARN; empty: the host's
  std::string id;      // what the service is asked for: name or ARN of a parameter, ARN of a secret
  std::string name;    // without path's first slash; of a secret as in its ARN: "db-AbCdEf"
  std::string json_key;       // of a secret's JSON; empty: the whole
  std::string version_stage;  // empty: AWSCURRENT
  std::string version_id;
};

// "NAME", "/PATH/NAME", "arn:aws:ssm:REGION:ACCOUNT:parameter/NAME",
// "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME[:JSON-KEY:VERSION-STAGE:VERSION-ID]"
[[nodiscard]] sdk::Result<ValueFrom> parse_value_from(std::string_view text);

// The member of a secret's JSON as a container gets it: texts as they are, all else as JSON.
// Errors: INVALID where it is no JSON object or has no such member; nothing of it is in the
// message.
[[nodiscard]] sdk::Result<std::string> member_of(const std::string& secret,
                                                 const std::string& json_key);

}  // namespace berth::runtime::secrets
