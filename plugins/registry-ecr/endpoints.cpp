// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/endpoints.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

namespace berth::registry_ecr {
namespace {

using runtime::http::parse_url;
using runtime::http::Url;

// "123456789012.dkr.ecr.us-east-1.amazonaws.com" -> its parts.
std::vector<std::string> labels_of(const std::string& host) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at <= host.size()) {
    const std::size_t dot = std::min(host.find('.', at), host.size());
    out.push_back(host.substr(at, dot - at));
    at = dot + 1;
  }
  return out;
}

bool is_address(const std::string& host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string::npos;
}

// "registry-1.docker.io" -> "docker.io"; empty where that would be a top-level domain.
std::string parent_domain(const std::string& host) {
  if (is_address(host)) return {};
  const std::size_t dot = host.find('.');
  if (dot == std::string::npos || host.find('.', dot + 1) == std::string::npos) return {};
  return host.substr(dot + 1);
}

}  // namespace

sdk::Result<std::vector<Place>> places_of(const Config& config, const std::string& registry) {
  const auto bare = parse_url("https://" + registry + "/");
  if (!bare || registry.find_first_of("/?#@") != std::string::npos) {
    return sdk::fail(BERTH_INVALID, "'" + registry.substr(0, 200) + "' is no registry", "registry");
  }
  const RegistrySettings& settings = config.of(registry);
  std::vector<Place> out;
  for (const std::string& mirror : settings.mirrors) {
    const auto url = parse_url(mirror);
    if (!url) continue;  // read_config took URLs only
    out.push_back({mirror, url->authority(), true, settings.mirrors_resolve_tags});
  }
  const bool speaks_tls = settings.insecure_tls || !settings.ca_file.empty();
  const bool plain = settings.plain_http.value_or(bare->is_loopback() && !speaks_tls);
  const std::string host = registry == "docker.io" ? "registry-1.docker.io" : registry;
  out.push_back({(plain ? "http://" : "https://") + host, registry, false, true});
  return out;
}

sdk::Result<std::string> read_certificates(const std::vector<std::string>& paths) {
  std::string out;
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    std::ifstream file{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (!file.is_open() || text.empty() || text.size() > (1u << 20)) {
      return sdk::fail(BERTH_PRECONDITION,
                       "the ca_file " + path + " cannot be read, is empty or too long");
    }
    out += text + "\n";
  }
  return out;
}

sdk::Result<std::string> trust_of(const Config& config, const std::string& host) {
  return read_certificates({config.ca_file, config.of(host).ca_file});
}

bool may_hear_password(const Url& endpoint, const Url& realm, const RegistrySettings& settings) {
  if (endpoint.scheme == "https" && realm.scheme != "https") return false;
  if (!settings.token_realm.empty()) {
    const std::string text = realm.scheme + "://" + realm.authority() + realm.path;
    const std::string& allowed = settings.token_realm;
    if (text == allowed || text.starts_with(allowed + "/")) return true;
  }
  if (realm.host == endpoint.host) return true;
  if (realm.is_loopback()) return endpoint.is_loopback();
  const std::string domain = parent_domain(endpoint.host);
  return !domain.empty() && (realm.host == domain || realm.host.ends_with("." + domain));
}

bool is_ecr_host(const std::string& host) {
  return !ecr_region(host).empty();
}

std::string ecr_region(const std::string& host) {
  const auto labels = labels_of(host);
  const auto is = [&](std::size_t i, std::initializer_list<const char*> words) {
    return i < labels.size() &&
           std::ranges::any_of(words, [&](const char* word) { return labels[i] == word; });
  };
  const bool account =
      labels[0].size() == 12 && labels[0].find_first_not_of("0123456789") == std::string::npos;
  if (!account || !is(1, {"dkr"}) || !is(2, {"ecr", "ecr-fips"}) || labels.size() < 6 ||
      !is(4, {"amazonaws"}) || !is(5, {"com"})) {
    return {};
  }
  const bool ends = labels.size() == 6 || (labels.size() == 7 && labels[6] == "cn");
  return ends ? labels[3] : std::string{};
}

}  // namespace berth::registry_ecr
