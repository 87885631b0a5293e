// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/config.hpp"

#include <fstream>
#include <iterator>

#include "sdk/runtime/http/url.hpp"

namespace berth::roles {
namespace {

constexpr std::size_t kMaxSecret = 64U << 10U;

bool is_role_arn(const std::string& text) {
  return text.starts_with("arn:") && text.find(":iam::") != std::string::npos &&
         text.find(":role/") != std::string::npos && text.size() <= 2048;
}

sdk::Result<std::string> read_secret(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in || text.size() > kMaxSecret)
    return sdk::fail(BERTH_DENIED, "cannot read the secret in " + path);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) return sdk::fail(BERTH_DENIED, "there is no secret in " + path);
  return text;
}

// false: the key is none of these.
bool read_key(sdk::Settings& settings, const std::string& full, const std::string& key,
              const std::string& value, Keys& out) {
  std::string* const member = key == "access_key_id"            ? &out.access_key_id
                              : key == "secret_access_key"      ? &out.secret_access_key
                              : key == "secret_access_key_file" ? &out.secret_access_key_file
                              : key == "session_token"          ? &out.session_token
                              : key == "session_token_file"     ? &out.session_token_file
                                                                : nullptr;
  if (!member) return false;
  if (value.empty()) settings.reject(full, "is empty");
  // It has to be there now, though it is read when it is needed.
  if (key.ends_with("_file") && !std::ifstream{value})
    settings.reject(full, "cannot be read: " + value);
  *member = value;
  return true;
}

void check_keys(sdk::Settings& settings, const std::string& name, const Keys& keys) {
  const bool secret = !keys.secret_access_key.empty();
  const bool secret_file = !keys.secret_access_key_file.empty();
  if (secret && secret_file)
    settings.reject(name, "has both secret_access_key and secret_access_key_file");
  if (keys.is_set() != (secret || secret_file)) {
    settings.reject(
        name, keys.is_set()
                  ? "has an access_key_id but neither secret_access_key nor secret_access_key_file"
                  : "has a secret but no access_key_id");
  }
  if (!keys.session_token.empty() && !keys.session_token_file.empty()) {
    settings.reject(name, "has both session_token and session_token_file");
  }
}

void read_roles(sdk::Settings& settings, Config& config) {
  for (const auto& [row, value] : settings.table("role")) {
    const std::string full = "role." + row;
    const auto dot = row.rfind('.');
    std::string arn = row.substr(0, dot == std::string::npos ? 0 : dot);
    // A name with dots stands within quotes.
    if (arn.size() > 2 && arn.starts_with('"') && arn.ends_with('"'))
      arn = arn.substr(1, arn.size() - 2);
    if (!is_role_arn(arn)) {
      settings.reject(full, "must be role.\"arn:aws:iam::ACCOUNT:role/NAME\".KEY");
    } else if (!read_key(settings, full, row.substr(dot + 1), value, config.roles[arn])) {
      settings.reject(full, "unknown key");
    }
  }
  for (const auto& [arn, keys] : config.roles) {
    check_keys(settings, "role.\"" + arn + "\"", keys);
    if (!keys.is_set()) settings.reject("role.\"" + arn + "\"", "has no access_key_id");
  }
}

void read_sts(sdk::Settings& settings, StsSettings& sts) {
  for (const auto& [key, value] : settings.table("sts")) {
    const std::string full = "sts." + key;
    if (read_key(settings, full, key, value, sts.keys)) continue;
    if (key == "endpoint") {
      const auto url = runtime::http::parse_url(value);
      if (!url || !url->query.empty())
        settings.reject(full, "must be a URL, http:// or https://, without a query");
      sts.endpoint = value;
      while (sts.endpoint.ends_with('/')) sts.endpoint.pop_back();
    } else if (key == "region") {
      sts.region = value;
    } else if (key == "external_id") {
      sts.external_id = value;
    } else if (key == "ca_file") {
      if (!std::ifstream{value}) settings.reject(full, "cannot be read: " + value);
      sts.ca_file = value;
    } else if (key == "duration_seconds") {
      sts.duration_seconds = settings.integer(full, 3600, {.min = 900, .max = 43200});
    } else {
      settings.reject(full, "unknown key");
    }
  }
  check_keys(settings, "sts", sts.keys);
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

sdk::Result<PlainKeys> read_keys(const Keys& keys) {
  PlainKeys out{keys.access_key_id, keys.secret_access_key, keys.session_token};
  for (const auto& [file, text] : {std::pair{&keys.secret_access_key_file, &out.secret_access_key},
                                   std::pair{&keys.session_token_file, &out.session_token}}) {
    if (file->empty()) continue;
    auto secret = read_secret(*file);
    if (!secret) return secret.error();
    *text = std::move(*secret);
  }
  return out;
}

Config read_config(sdk::Settings& settings) {
  Config config;
  read_roles(settings, config);
  config.assume = settings.list("assume");
  for (const std::string& pattern : config.assume) {
    if (!pattern.starts_with("arn:"))
      settings.reject("assume", "'" + pattern + "' is no pattern of ARNs");
  }
  read_sts(settings, config.sts);
  return config;
}

}  // namespace berth::roles
