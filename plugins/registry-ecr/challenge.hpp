// SPDX-License-Identifier: Apache-2.0
// What a registry's WWW-Authenticate asks for.
//
// Threads: any; a pure function of a stranger's text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::registry_ecr {

struct Challenge {
  std::string scheme;  // lower case
  std::string realm;   // of Bearer: a URL
  std::string service;
};

// All challenges that can be read, in their order; malformed rests are left out.
[[nodiscard]] std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace berth::registry_ecr
