// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <vector>

#include "sdk/runtime/oci/capabilities.hpp"
#include "sdk/runtime/oci/spec_parts.hpp"

namespace berth::runtime {
namespace spec {
namespace {

constexpr Rlimit kDefaultNofile() {
  return {.name = "nofile", .soft = 32'768, .hard = 65'536};
}

// Later values of a name win, as the edits of a device must over the image's; the first one's place
// is kept.
json::array environment(const ContainerSpec& spec) {
  std::vector<std::string> env;
  const auto set = [&env](const std::string& entry) {
    const auto name = entry.substr(0, entry.find('=') + 1);
    const auto old = std::find_if(env.begin(), env.end(), [&name](const std::string& other) {
      return !name.empty() && other.compare(0, name.size(), name) == 0;
    });
    if (old == env.end()) {
      env.push_back(entry);
    } else {
      *old = entry;
    }
  };
  for (const auto& entry : spec.env) set(entry);
  for (const auto& edits : spec.edits) {
    for (const auto& entry : edits.env()) set(entry);
  }
  return array_of(env);
}

// As Docker reads add and drop.
std::uint64_t wanted(const Rights& rights) {
  if (rights.privileged) return capabilities::kAll;
  if (rights.add == capabilities::kAll) return capabilities::kAll & ~rights.drop;
  if (rights.drop == capabilities::kAll) return rights.add;
  return (capabilities::kDocker & ~rights.drop) | rights.add;
}

json::array names_of(std::uint64_t bits) {
  json::array out;
  for (std::size_t number = 0; number < capabilities::kNames.size(); ++number) {
    if (bits >> number & 1) out.emplace_back("CAP_" + std::string(capabilities::kNames[number]));
  }
  return out;
}

std::uint64_t most(const HostAbilities& host, const std::string& name) {
  if (name == "nofile") return host.nofile_hard;
  const auto at = host.hard_limits.find(name);
  return at == host.hard_limits.end() ? Rlimit::kUnlimited : at->second;
}

json::array rlimits(const ContainerSpec& spec, const HostAbilities& host) {
  auto limits = spec.options.rlimits;
  const bool files = std::any_of(limits.begin(), limits.end(),
                                 [](const Rlimit& limit) { return limit.name == "nofile"; });
  // As ECS's own hosts have it.
  if (!files) limits.push_back(kDefaultNofile());
  json::array out;
  for (const Rlimit& limit : limits) {
    std::string type = "RLIMIT_" + limit.name;
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const std::uint64_t hard = std::min(limit.hard, most(host, limit.name));
    out.push_back(
        json::object{{"type", type}, {"hard", hard}, {"soft", std::min(limit.soft, hard)}});
  }
  return out;
}

json::array arguments(const ContainerSpec& spec) {
  json::array out;
  if (spec.options.with_init) {
    out.emplace_back(kInitPath);
    out.emplace_back("--");
  }
  for (const auto& word : spec.args) out.emplace_back(word);
  return out;
}

std::string print(std::uint64_t limit) {
  return limit == Rlimit::kUnlimited ? "unlimited" : std::to_string(limit);
}

}  // namespace

std::uint64_t granted(const ContainerSpec& spec, const HostAbilities& host) {
  // gVisor refuses those that its kernel does not know.
  const std::uint64_t known =
      host.sandboxed ? (capabilities::bit("AUDIT_READ") << 1) - 1 : capabilities::kAll;
  return wanted(spec.options.rights) & host.bounding_caps & known;
}

json::object process(const ContainerSpec& spec, const HostAbilities& host) {
  json::array gids;
  for (const auto gid : spec.additional_gids) gids.emplace_back(gid);
  for (const auto& edits : spec.edits) {
    for (const auto gid : edits.additional_gids()) {
      if (gid != 0) gids.emplace_back(gid);
    }
  }
  const json::array caps = names_of(granted(spec, host));
  // The kernel takes them from a program that is not root's when it begins; gVisor's does not.
  const json::array own = host.sandboxed && spec.uid != 0 ? json::array() : caps;
  json::object out{
      {"terminal", spec.options.terminal},
      {"user", {{"uid", spec.uid}, {"gid", spec.gid}, {"additionalGids", std::move(gids)}}},
      {"args", arguments(spec)},
      {"env", environment(spec)},
      {"cwd", spec.cwd},
      // Inheritable and ambient stay empty: what a program gains at exec comes from its file or
      // from being root.
      {"capabilities", {{"bounding", caps}, {"effective", own}, {"permitted", own}}},
      {"rlimits", rlimits(spec, host)},
      {"noNewPrivileges", spec.options.rights.no_new_privileges}};
  if (!spec.options.rights.apparmor_profile.empty()) {
    out["apparmorProfile"] = spec.options.rights.apparmor_profile;
  }
  return out;
}

}  // namespace spec

std::vector<std::string> lowered_wishes(const ContainerSpec& spec, const HostAbilities& host) {
  std::vector<std::string> out;
  for (const Rlimit& limit : spec.options.rlimits) {
    const std::uint64_t most = spec::most(host, limit.name);
    if (limit.hard <= most) continue;
    out.push_back("ulimit " + limit.name + ": " + spec::print(limit.hard) + " lowered to " +
                  spec::print(most) + ", the agent's own limit");
  }
  const Rights& rights = spec.options.rights;
  // Whoever asks for all gets all there are; who names one wants to know.
  const std::uint64_t named = rights.add == capabilities::kAll ? 0 : rights.add;
  const std::uint64_t missing = named & ~host.bounding_caps;
  for (std::size_t number = 0; number < capabilities::kNames.size(); ++number) {
    if (!(missing >> number & 1)) continue;
    out.push_back("capability " + std::string(capabilities::kNames[number]) +
                  " is not given: the agent does not have it");
  }
  if (spec.options.swappiness && host.unified_cgroups) {
    out.emplace_back("swappiness is not set: cgroup v2 has none");
  }
  if (spec.options.max_swap && !host.swap_accounting) {
    out.emplace_back("maxSwap is not set: this host does not account for swap");
  }
  return out;
}

}  // namespace berth::runtime
