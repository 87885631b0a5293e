// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/manifest.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace berth::plugins {
namespace {

tl::unexpected<Error> refuse(const loading::Library& library, const std::string& words) {
  return fail(Errc::Invalid, library.path().string() + ": its manifest " + words, Subject::Plugin,
              library.name());
}

std::vector<v1::Method> demanded(std::string_view interface) {
  if (interface == kLaunch) {
    return {v1::METHOD_LAUNCH_PLAN,       v1::METHOD_LAUNCH_START,   v1::METHOD_LAUNCH_STOP,
            v1::METHOD_LAUNCH_LIST_OWNED, v1::METHOD_LAUNCH_RECOVER, v1::METHOD_LAUNCH_FORGET};
  }
  if (interface == kRegistry) {
    return {v1::METHOD_REGISTRY_MIRRORS, v1::METHOD_REGISTRY_AUTHORIZE};
  }
  if (interface == kCredentials) return {v1::METHOD_CREDENTIALS_ASSUME_ROLE};
  return {};
}

// Why a known interface is not fit to be used, or nothing.
std::string fault_of(const v1::Interface& interface) {
  const auto& methods = interface.methods();
  for (const v1::Method method : demanded(interface.id())) {
    if (std::find(methods.begin(), methods.end(), static_cast<std::uint32_t>(method)) ==
        methods.end()) {
      return "does not offer " + v1::Method_Name(method);
    }
  }
  if (interface.id() == kLaunch && interface.launch_types().empty() &&
      interface.capacity_providers().empty()) {
    return "serves neither a launch type nor a capacity provider";
  }
  if (interface.id() == kRegistry && interface.registry_hosts().empty()) {
    return "serves no registry host";
  }
  return {};
}

}  // namespace

Result<void> check_manifest(const v1::Manifest& manifest, const loading::Library& library) {
  if (manifest.name() != library.name()) {
    return refuse(library,
                  "says name '" + manifest.name() + "', its table '" + library.name() + "'");
  }
  if (manifest.version() != library.version()) {
    return refuse(library, "says version '" + manifest.version() + "', its table '" +
                               library.version() + "'");
  }
  std::set<std::string> seen;
  std::size_t known = 0;
  for (const v1::Interface& interface : manifest.interfaces()) {
    if (!seen.insert(interface.id()).second) {
      return refuse(library, "names the interface '" + interface.id() + "' twice");
    }
    if (interface.id() != kLaunch && interface.id() != kHost && interface.id() != kRegistry &&
        interface.id() != kCredentials) {
      continue;
    }
    ++known;
    if (const std::string fault = fault_of(interface); !fault.empty()) {
      return refuse(library, "is not whole: " + interface.id() + " " + fault);
    }
  }
  if (known == 0) {
    return refuse(library,
                  "names no interface that this Berth knows (berth.launch/1, berth.host/1, "
                  "berth.registry/1, berth.credentials/1)");
  }
  return {};
}

const v1::Interface* find_interface(const v1::Manifest& manifest, std::string_view id) {
  for (const v1::Interface& interface : manifest.interfaces()) {
    if (interface.id() == id) return &interface;
  }
  return nullptr;
}

}  // namespace berth::plugins
