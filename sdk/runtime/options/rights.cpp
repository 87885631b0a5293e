// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "sdk/runtime/oci/capabilities.hpp"
#include "sdk/runtime/options/container_options.hpp"
#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

constexpr std::array<std::string_view, 15> kUlimits = {
    "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
    "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};

std::uint64_t limit_of(std::int32_t value) {
  return value < 0 ? Rlimit::kUnlimited : static_cast<std::uint64_t>(value);
}

sdk::Result<void> read_ulimits(const v1::ecs::ContainerDefinition& definition, int container,
                               ContainerOptions& out) {
  std::set<std::string> seen;
  for (int i = 0; i < definition.ulimits_size(); ++i) {
    const auto& limit = definition.ulimits(i);
    const std::string field = at(of_container(container, "ulimits"), i);
    if (std::find(kUlimits.begin(), kUlimits.end(), limit.name()) == kUlimits.end()) {
      return wrong(field + ".name", "There is no ulimit '" + limit.name() + "'.");
    }
    if (!seen.insert(limit.name()).second) {
      return wrong(field + ".name", "The ulimit '" + limit.name() + "' stands there twice.");
    }
    if (limit.soft_limit() < -1 || limit.hard_limit() < -1) {
      return wrong(field, "A ulimit is a number, or -1 for none.");
    }
    const Rlimit read{.name = limit.name(),
                      .soft = limit_of(limit.soft_limit()),
                      .hard = limit_of(limit.hard_limit())};
    if (read.soft > read.hard) return wrong(field + ".softLimit", "softLimit exceeds hardLimit.");
    out.rlimits.push_back(read);
  }
  return {};
}

sdk::Result<std::uint64_t> read_set(const google::protobuf::RepeatedPtrField<std::string>& names,
                                    const std::string& field) {
  std::uint64_t bits = 0;
  for (const std::string& name : names) {
    const auto capability = capabilities::parse(name);
    if (!capability) return wrong(field, "There is no capability '" + name + "'.");
    bits |= *capability;
  }
  return bits;
}

sdk::Result<void> read_security_option(const std::string& option, const std::string& field,
                                       Rights& rights) {
  const auto cut = option.find_first_of(":=");
  const std::string key = option.substr(0, cut);
  const std::string value = cut == std::string::npos ? "" : option.substr(cut + 1);
  if (key == "no-new-privileges" && (value.empty() || value == "true" || value == "false")) {
    rights.no_new_privileges = value != "false";
    return {};
  }
  if (key == "seccomp" && value == "unconfined") {
    rights.seccomp_unconfined = true;
    return {};
  }
  if (key == "seccomp" && value == "builtin") return {};
  if (key == "apparmor" && !value.empty()) {
    const bool plain =
        std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 127; });
    if (!plain) return wrong(field, "'" + value + "' is no name of an AppArmor profile.");
    // Unconfined is what a container is without a profile.
    if (value != "unconfined") rights.apparmor_profile = value;
    return {};
  }
  const bool known = key == "seccomp" || key == "label" || key == "credentialspec" ||
                     key == "systempaths" || key == "writable-cgroups";
  if (known) return unsupported(field, "the security option '" + option + "' is not acted on.");
  return wrong(field, "There is no security option '" + option + "'.");
}

}  // namespace

sdk::Result<void> read_rights(const v1::ecs::TaskDefinition& task, int container,
                              ContainerOptions& out) {
  const auto& definition = task.container_definitions(container);
  out.rights.privileged = definition.privileged();
  if (auto read = read_ulimits(definition, container, out); !read) return read;
  for (int i = 0; i < definition.docker_security_options_size(); ++i) {
    const std::string field = of_container(container, "dockerSecurityOptions");
    auto read = read_security_option(definition.docker_security_options(i), field, out.rights);
    if (!read) return read;
  }
  const auto& changes = definition.linux_parameters().capabilities();
  const std::string field = of_container(container, "linuxParameters.capabilities");
  const auto add = read_set(changes.add(), field + ".add");
  if (!add) return add.error();
  const auto drop = read_set(changes.drop(), field + ".drop");
  if (!drop) return drop.error();
  out.rights.add = *add;
  out.rights.drop = *drop;
  return {};
}

}  // namespace berth::runtime::options
