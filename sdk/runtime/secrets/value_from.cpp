// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/secrets/value_from.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

namespace berth::runtime::secrets {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongest = 2048;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const auto colon = text.find(':');
    parts.emplace_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

sdk::Error bad(std::string_view text, const char* why) {
  return sdk::fail(BERTH_INVALID, "'" + std::string(text.substr(0, 300)) + "' " + why, "valueFrom");
}

sdk::Result<ValueFrom> of_parameter(std::string_view text, const std::vector<std::string>& parts) {
  // Parameter names have no colon, but a label or version may follow one: "parameter/name:3".
  constexpr std::string_view kParameter = "parameter/";
  if (parts.size() < 6 || parts.size() > 7 || !parts[5].starts_with(kParameter)) {
    return bad(text, "is no ARN of a parameter");
  }
  ValueFrom out;
  out.region = parts[3];
  out.id = text;
  out.name = parts[5].substr(kParameter.size());
  if (out.name.empty()) return bad(text, "names no parameter");
  return out;
}

sdk::Result<ValueFrom> of_secret(std::string_view text, const std::vector<std::string>& parts) {
  if (parts.size() < 7 || parts[5] != "secret" || parts[6].empty()) {
    return bad(text, "is no ARN of a secret");
  }
  if (parts.size() != 7 && parts.size() != 10) {
    return bad(text, "has not the form ...:secret:NAME:JSON-KEY:VERSION-STAGE:VERSION-ID");
  }
  ValueFrom out;
  out.store = ValueFrom::Store::SecretsManager;
  out.region = parts[3];
  out.name = parts[6];
  for (std::size_t i = 0; i < 7; ++i) out.id += (i > 0 ? ":" : "") + parts[i];
  if (parts.size() == 10) {
    out.json_key = parts[7];
    out.version_stage = parts[8];
    out.version_id = parts[9];
  }
  return out;
}

}  // namespace

sdk::Result<ValueFrom> parse_value_from(std::string_view text) {
  if (text.empty() || text.size() > kLongest || !is_plain(text))
    return bad(text, "names no secret");
  if (text.starts_with("arn:")) {
    const auto parts = split(text);
    if (parts.size() > 5 && parts[2] == "ssm") return of_parameter(text, parts);
    if (parts.size() > 5 && parts[2] == "secretsmanager") return of_secret(text, parts);
    return bad(text, "is neither a parameter of SSM nor a secret of Secrets Manager");
  }
  ValueFrom out;
  out.id = text;
  out.name = text.starts_with('/') ? text.substr(1) : text;
  if (out.name.empty()) return bad(text, "names no parameter");
  return out;
}

sdk::Result<std::string> member_of(const std::string& secret, const std::string& json_key) {
  if (json_key.empty()) return secret;
  json::error_code error;
  const json::value value = json::parse(secret, error);
  if (error || !value.is_object()) {
    return sdk::fail(BERTH_INVALID, "the secret is no JSON object, so it has no key " + json_key);
  }
  const json::value* member = value.get_object().if_contains(json_key);
  if (!member)
    return sdk::fail(BERTH_INVALID,
                     "retrieved secret from Secrets Manager did not contain json key " + json_key);
  if (const json::string* words = member->if_string())
    return std::string(words->data(), words->size());
  return json::serialize(*member);
}

}  // namespace berth::runtime::secrets
