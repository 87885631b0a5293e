// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 as a service checks it, from the request as it arrived.
//
// Threads: any; pure.
#pragma once

#include <string>

#include "tests/support/image/http_server.hpp"

namespace berth::test {

struct AwsKey {
  std::string id;
  std::string secret;
  std::string region;
  std::string service;
};

[[nodiscard]] bool is_signed(const HttpRequest& request, const AwsKey& key);

}  // namespace berth::test
