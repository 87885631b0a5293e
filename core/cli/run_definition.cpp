// SPDX-License-Identifier: Apache-2.0
#include "core/cli/run_definition.hpp"

#include <charconv>
#include <cstdint>
#include <cstdlib>

namespace berth::cli {
namespace {

Result<int> number_in(std::string_view text, const std::string& whole) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
    return fail(Errc::Invalid, "--publish " + whole + ": want [HOST:]CONTAINER[/udp]");
  }
  return error == std::errc() ? number : -1;  // too long for an int: no port either
}

Result<int> host_port(std::string_view text, const std::string& whole) {
  const auto port = number_in(text, whole);
  if (port && (*port < 0 || *port > 65535)) {
    return fail(Errc::Invalid, "--publish " + whole +
                                   ": the host's port is 1-65535, or 0 to take a free one");
  }
  return port;
}

Result<int> container_port(std::string_view text, const std::string& whole) {
  const auto port = number_in(text, whole);
  if (port && (*port < 1 || *port > 65535)) {
    return fail(Errc::Invalid, "--publish " + whole + ": the container's port is 1-65535");
  }
  return port;
}

Result<boost::json::object> port_mapping(const std::string& text) {
  std::string_view rest = text;
  boost::json::object mapping;
  mapping["protocol"] = "tcp";
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    const auto protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") {
      return fail(Errc::Invalid, "--publish " + text + ": the protocol is tcp or udp");
    }
    mapping["protocol"] = protocol;
    rest = rest.substr(0, slash);
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    const auto host = host_port(rest.substr(0, colon), text);
    if (!host) return tl::unexpected(host.error());
    mapping["hostPort"] = *host;
    rest = rest.substr(colon + 1);
  }
  const auto container = container_port(rest, text);
  if (!container) return tl::unexpected(container.error());
  mapping["containerPort"] = *container;
  return mapping;
}

Result<boost::json::array> environment_of(const std::vector<std::string>& items) {
  boost::json::array environment;
  for (const auto& item : items) {
    const auto equals = item.find('=');
    const std::string name = item.substr(0, equals);
    if (name.empty()) return fail(Errc::Invalid, "--env " + item + ": want NAME=value or NAME");
    std::string value;
    if (equals != std::string::npos) {
      value = item.substr(equals + 1);
    } else if (const char* own = std::getenv(name.c_str())) {
      value = own;
    } else {
      return fail(Errc::Invalid, "--env " + name + ": not set here; give NAME=value");
    }
    environment.push_back({{"name", name}, {"value", value}});
  }
  return environment;
}

// FNV-1a: tells contents apart, needs no strength.
std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char digits[17];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, hash, 16);
  return std::string(digits, end);
}

// The last part of the image's name, as a container's name may be.
std::string short_name(const std::string& image) {
  std::string name = image.substr(0, image.find('@'));
  name = name.substr(name.rfind('/') + 1);
  name = name.substr(0, name.find(':'));
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') c = '-';
  }
  return name.empty() ? "container" : name.substr(0, 100);
}

}  // namespace

Result<boost::json::object> definition_for(const RunOptions& options) {
  boost::json::object container;
  container["name"] = options.name.empty() ? short_name(options.image) : options.name;
  container["image"] = options.image;
  container["essential"] = true;
  container["memory"] = options.memory_mib;
  if (options.cpu > 0) container["cpu"] = options.cpu;
  if (!options.entry_point.empty()) container["entryPoint"] = {options.entry_point};
  if (!options.command.empty()) {
    container["command"] = boost::json::array(options.command.begin(), options.command.end());
  }
  if (!options.user.empty()) container["user"] = options.user;
  if (!options.workdir.empty()) container["workingDirectory"] = options.workdir;
  auto environment = environment_of(options.environment);
  if (!environment) return tl::unexpected(environment.error());
  if (!environment->empty()) container["environment"] = std::move(*environment);
  boost::json::array ports;
  for (const auto& text : options.publish) {
    auto mapping = port_mapping(text);
    if (!mapping) return tl::unexpected(mapping.error());
    ports.push_back(std::move(*mapping));
  }
  if (!ports.empty()) container["portMappings"] = std::move(ports);
  boost::json::object definition;
  definition["networkMode"] = options.network;
  definition["containerDefinitions"] = boost::json::array{std::move(container)};
  definition["family"] =
      "run-" + short_name(options.image) + "-" + fingerprint(boost::json::serialize(definition));
  return definition;
}

}  // namespace berth::cli
