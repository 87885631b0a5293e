// SPDX-License-Identifier: Apache-2.0
// WWW-Authenticate of any bytes, and the settings' nested names.
#include <cstdlib>

#include "plugins/registry-ecr/challenge.hpp"
#include "plugins/registry-ecr/config.hpp"
#include "plugins/registry-ecr/endpoints.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth;                // NOLINT
  using namespace berth::registry_ecr;  // NOLINT
  const std::string text{reinterpret_cast<const char*>(data), size};
  const auto endpoint = runtime::http::parse_url("https://reg.example.com");
  for (const Challenge& challenge : parse_challenges(text)) {
    if (challenge.scheme.empty() || challenge.realm.size() > size) abort();
    const auto realm = runtime::http::parse_url(challenge.realm);
    // Never from https to http, whatever the realm.
    if (realm && realm->scheme == "http" && may_hear_password(*endpoint, *realm, {})) abort();
  }
  const std::map<std::string, std::string> values{{"registries." + text, "true"}};
  sdk::Settings settings{values};
  const Config config = read_config(settings);
  if (settings.check() && config.registries.size() != 1) abort();
  (void)places_of(config, text);
  return 0;
}
