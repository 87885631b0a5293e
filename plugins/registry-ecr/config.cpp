// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/config.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

#include "sdk/runtime/http/url.hpp"

namespace berth::registry_ecr {
namespace {

constexpr std::size_t kMaxSecret = 64u << 10;

// `"a.b:1".key.rest` or `a:1.key.rest` -> name and what follows it. A name with dots stands within
// quotes.
struct Row {
  std::string name;
  std::string key;
};

std::optional<Row> split(const std::string& text) {
  std::size_t end = 0;
  std::size_t next = 0;
  std::size_t from = 0;
  if (text.starts_with('"')) {
    from = 1;
    end = text.find('"', 1);
    next = end == std::string::npos ? end : end + 1;
  } else {
    end = text.find('.');
    next = end;
  }
  if (end == std::string::npos || next >= text.size() || text[next] != '.' || end == from)
    return {};
  return Row{text.substr(from, end - from), text.substr(next + 1)};
}

bool is_host(const std::string& name) {
  const auto url = runtime::http::parse_url("https://" + name + "/");
  const bool plain = std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' ||
           c == ']';
  });
  return url && plain && url->path == "/";
}

class Reader {
 public:
  Reader(sdk::Settings& settings, std::string key, std::string value)
      : settings_(settings), key_(std::move(key)), value_(std::move(value)) {}

  void reject(const std::string& why) { settings_.reject(key_, why); }
  void text(std::string& out) {
    if (value_.empty()) reject("is empty");
    out = value_;
  }
  void flag(bool& out) {
    if (value_ != "true" && value_ != "false") reject("must be true or false");
    out = value_ == "true";
  }
  // A file that has to be there now, though it is read when it is needed.
  void file(std::string& out) {
    text(out);
    if (!value_.empty() && !std::ifstream{value_}) reject("cannot be read: " + value_);
  }
  void url(std::string& out) {
    text(out);
    const auto parsed = runtime::http::parse_url(value_);
    if (!parsed || !parsed->query.empty())
      reject("must be a URL, http:// or https://, without a query");
    while (out.ends_with('/')) out.pop_back();
  }
  // true: the key is one of a login's.
  bool login(const std::string& key, Login& out) {
    if (key == "username") {
      text(out.username);
      if (value_.find(':') != std::string::npos) reject("may not hold a colon");
    } else if (key == "password") {
      text(out.password);
    } else if (key == "password_file") {
      file(out.password_file);
    } else {
      return false;
    }
    return true;
  }

 private:
  sdk::Settings& settings_;
  std::string key_;
  std::string value_;
};

bool is_index(const std::string& key, const std::string& prefix) {
  return key == prefix || (key.starts_with(prefix + ".") && key.size() > prefix.size() + 1 &&
                           std::ranges::all_of(key.substr(prefix.size() + 1), [](unsigned char c) {
                             return std::isdigit(c) != 0;
                           }));
}

void check_login(sdk::Settings& settings, const std::string& key, const Login& login) {
  const bool secret = !login.password.empty() || !login.password_file.empty();
  if (!login.password.empty() && !login.password_file.empty()) {
    settings.reject(key, "has both password and password_file");
  }
  if (login.is_set() != secret) {
    settings.reject(key, login.is_set() ? "has a username but neither password nor password_file"
                                        : "has a password but no username");
  }
}

// The items of a list in their own order: "10" sorts before "9" as text.
using Listed = std::map<std::string, std::map<std::size_t, std::string>>;

void read_registry(sdk::Settings& settings, const Row& row, const std::string& value,
                   const std::string& full, RegistrySettings& out, Listed& mirrors) {
  Reader reader{settings, full, value};
  if (reader.login(row.key, out.login)) return;
  if (row.key == "plain_http") {
    bool plain = false;
    reader.flag(plain);
    out.plain_http = plain;
  } else if (row.key == "ca_file") {
    reader.file(out.ca_file);
  } else if (row.key == "insecure_tls") {
    reader.flag(out.insecure_tls);
  } else if (row.key == "ecr") {
    reader.flag(out.ecr);
  } else if (row.key == "token_realm") {
    reader.url(out.token_realm);
  } else if (row.key == "mirrors_resolve_tags") {
    reader.flag(out.mirrors_resolve_tags);
  } else if (is_index(row.key, "mirrors")) {
    std::string url;
    reader.url(url);
    const std::size_t dot = row.key.find('.');
    const std::string digits = dot == std::string::npos ? "0" : row.key.substr(dot + 1);
    mirrors[row.name][digits.size() > 6 ? 0 : std::stoul(digits)] = url;
  } else {
    reader.reject("unknown key");
  }
}

void read_registries(sdk::Settings& settings, Config& config) {
  Listed mirrors;
  for (const auto& [rest, value] : settings.table("registries")) {
    const std::string full = "registries." + rest;
    const auto row = split(rest);
    if (!row || !is_host(row->name)) {
      settings.reject(full, "must be registries.\"HOST:PORT\".KEY, with the host within quotes");
      continue;
    }
    read_registry(settings, *row, value, full, config.registries[row->name], mirrors);
  }
  for (auto& [host, urls] : mirrors) {
    for (auto& [index, url] : urls) config.registries[host].mirrors.push_back(std::move(url));
  }
  for (const auto& [host, registry] : config.registries) {
    const std::string key = "registries.\"" + host + "\"";
    check_login(settings, key, registry.login);
    if (registry.plain_http.value_or(false) &&
        (registry.insecure_tls || !registry.ca_file.empty())) {
      settings.reject(key, "has plain_http, and settings for TLS");
    }
    if (registry.ecr && registry.login.is_set())
      settings.reject(key, "has both ecr and a username");
  }
}

void read_credentials(sdk::Settings& settings, Config& config) {
  for (const auto& [rest, value] : settings.table("credentials")) {
    const std::string full = "credentials." + rest;
    const auto row = split(rest);
    Reader reader{settings, full, value};
    if (!row) {
      reader.reject("must be credentials.\"NAME OR ARN\".KEY");
    } else if (!reader.login(row->key, config.credentials[row->name])) {
      reader.reject("unknown key");
    }
  }
  for (const auto& [name, login] : config.credentials) {
    check_login(settings, "credentials.\"" + name + "\"", login);
  }
}

void read_ecr(sdk::Settings& settings, EcrSettings& ecr) {
  for (const auto& [key, value] : settings.table("ecr")) {
    Reader reader{settings, "ecr." + key, value};
    if (key == "endpoint") {
      reader.url(ecr.endpoint);
    } else if (key == "region") {
      reader.text(ecr.region);
    } else if (key == "access_key_id") {
      reader.text(ecr.access_key_id);
    } else if (key == "secret_access_key") {
      reader.text(ecr.secret_access_key);
    } else if (key == "secret_access_key_file") {
      reader.file(ecr.secret_access_key_file);
    } else if (key == "session_token") {
      reader.text(ecr.session_token);
    } else if (key == "ca_file") {
      reader.file(ecr.ca_file);
    } else {
      reader.reject("unknown key");
    }
  }
  const bool secret = !ecr.secret_access_key.empty() || !ecr.secret_access_key_file.empty();
  if (!ecr.secret_access_key.empty() && !ecr.secret_access_key_file.empty()) {
    settings.reject("ecr", "has both secret_access_key and secret_access_key_file");
  }
  if (ecr.access_key_id.empty() == secret) {
    settings.reject(
        "ecr", "needs access_key_id together with secret_access_key or secret_access_key_file");
  }
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

sdk::Result<std::string> read_secret(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file.is_open() || file.bad()) return sdk::fail(BERTH_DENIED, path + " cannot be read");
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty() || text.size() > kMaxSecret) {
    return sdk::fail(BERTH_DENIED, path + " is empty or too long to be a secret");
  }
  return text;
}

sdk::Result<std::string> Login::basic() const {
  std::string secret = password;
  if (!password_file.empty()) {
    auto read = read_secret(password_file);
    if (!read) return read;
    secret = std::move(*read);
  }
  return "Basic " + base64(username + ":" + secret);
}

const RegistrySettings& Config::of(const std::string& host) const {
  static const RegistrySettings kNone;
  const auto it = registries.find(host);
  return it == registries.end() ? kNone : it->second;
}

Config read_config(sdk::Settings& settings) {
  Config config;
  config.ca_file = settings.text("ca_file");
  if (!config.ca_file.empty() && !std::ifstream{config.ca_file}) {
    settings.reject("ca_file", "cannot be read: " + config.ca_file);
  }
  read_registries(settings, config);
  read_credentials(settings, config);
  read_ecr(settings, config.ecr);
  if (const std::string url = settings.text("secretsmanager_endpoint"); !url.empty()) {
    Reader(settings, "secretsmanager_endpoint", url).url(config.secretsmanager_endpoint);
  }
  return config;
}

}  // namespace berth::registry_ecr
