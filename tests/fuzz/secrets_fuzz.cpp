// SPDX-License-Identifier: Apache-2.0
// What names secrets, what holds them, who asks at the task endpoints, and what STS says: of any
// bytes.
#include <cstdlib>
#include <set>
#include <string>

#include "plugins/roles/sts.hpp"
#include "sdk/runtime/metadata/http_request.hpp"
#include "sdk/runtime/metadata/routes.hpp"
#include "sdk/runtime/secrets/env_file.hpp"
#include "sdk/runtime/secrets/value_from.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth::runtime;  // NOLINT
  const std::string text{reinterpret_cast<const char*>(data), size};

  if (const auto from = secrets::parse_value_from(text)) {
    // What becomes a file's name is not empty, and what is asked for is of what was given.
    if (from->name.empty() || text.find(from->name) == std::string::npos) abort();
    if (!text.starts_with(from->id)) abort();
  }
  std::set<std::string> names;
  for (const auto& [name, value] : secrets::parse_env_file(text)) {
    if (name.empty() || value.empty() || name.find('=') != std::string::npos ||
        !names.insert(name).second)
      abort();
    if ((name + value).find_first_of(std::string_view("\n\0", 2)) != std::string::npos) abort();
  }
  if (const auto member = secrets::member_of(text, "user");
      member && text.find("user") == std::string::npos && text.find('\\') == std::string::npos) {
    abort();
  }
  const auto parsed = metadata::parse_request(text);
  if (parsed.state == metadata::ParsedRequest::State::Whole) {
    if (!parsed.request.path.starts_with('/') || parsed.request.method.empty()) abort();
    const auto route = metadata::route_of(parsed.request.path);
    if (route.id.find('/') != std::string::npos) abort();
  }
  (void)metadata::route_of(text);
  if (const auto credentials = berth::roles::read_assumed(text)) {
    if (credentials->access_key_id().empty() || credentials->expires_at_ms() <= 0) abort();
  }
  return 0;
}
