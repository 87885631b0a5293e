// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config_check.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/api/server.hpp"
#include "sdk/loading/loader.hpp"

namespace berth::daemon {
namespace {

Result<void> readable(const std::string& key, const std::string& file) {
  if (file.empty() || ::access(file.c_str(), R_OK) == 0) return {};
  return fail(Errc::NotFound,
              key + ": cannot read " + file + ": " + std::strerror(errno),
              Subject::None, key);
}

Result<void> check_api(const Config& config) {
  const auto address = listen_address(config.api.host);
  if (!address) return tl::unexpected(address.error());
  api::Config wire;
  wire.address = *address;
  wire.tls_certificate = config.tls_certificate;
  wire.tls_key = config.tls_key;
  for (const auto& key : config.access_keys) wire.access_keys.push_back({key.id, key.secret, ""});
  return api::Server::check(wire);
}

Result<void> check_plugins(const Config& config) {
  for (const auto& directory : config.plugin_dirs) {
    std::error_code ec;
    if (std::filesystem::is_directory(directory, ec)) continue;
    return fail(Errc::NotFound, "plugin_dirs: there is no directory " + directory.string(),
                Subject::None, "plugin_dirs");
  }
  const auto known = [&](const std::string& key, const std::string& name) -> Result<void> {
    const auto section = config.plugins.find(name);
    if (section != config.plugins.end() && !section->second.path.empty()) {
      return readable("plugins." + name + ".path", section->second.path);
    }
    const auto found = loading::Loader::find(name, plugin_directories(config));
    if (found) return {};
    return fail(Errc::NotFound, key + ": " + found.error().message, Subject::None, key);
  };
  for (const auto& [name, section] : config.plugins) {
    if (!section.enabled) continue;
    if (auto done = known("plugins." + name, name); !done) return done;
  }
  const std::string& fleet = config.agent.fleet;
  if (fleet.empty()) return {};
  if (const auto it = config.plugins.find(fleet);
      it != config.plugins.end() && !it->second.enabled) {
    return fail(Errc::Invalid, "agent.fleet: the plugin '" + fleet + "' is not enabled",
                Subject::None, "agent.fleet");
  }
  return known("agent.fleet", fleet);
}

}  // namespace

Result<std::string> listen_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return fail(Errc::NotFound, "api: '" + host + "' is no address: " + ::gai_strerror(error),
                Subject::None, "api");
  }
  const addrinfo* best = list;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      best = one;
      break;
    }
  }
  char text[NI_MAXHOST] = {};
  const int error =
      ::getnameinfo(best->ai_addr, best->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(list);
  if (error != 0) {
    return fail(Errc::NotFound, "api: '" + host + "' is no address: " + ::gai_strerror(error),
                Subject::None, "api");
  }
  return std::string(text);
}

std::vector<std::filesystem::path> plugin_directories(const Config& config) {
  if (!config.plugin_dirs.empty()) return config.plugin_dirs;
  std::error_code ec;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ec);
  return {program.parent_path().parent_path() / "lib/berth/plugins"};
}

Result<void> check_config(const Config& config) {
  if (auto done = readable("tls_certificate", config.tls_certificate); !done) return done;
  if (auto done = readable("tls_key", config.tls_key); !done) return done;
  if (auto done = check_api(config); !done) return done;
  return check_plugins(config);
}

}  // namespace berth::daemon
