// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/spec_builder.hpp"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/oci/capabilities.hpp"
#include "sdk/runtime/oci/seccomp_profile.hpp"
#include "sdk/runtime/oci/spec_parts.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;
using spec::array_of;
using spec::invalid;

constexpr std::pair<const char*, int> kRlimits[] = {{"core", RLIMIT_CORE},
                                                    {"cpu", RLIMIT_CPU},
                                                    {"data", RLIMIT_DATA},
                                                    {"fsize", RLIMIT_FSIZE},
                                                    {"locks", RLIMIT_LOCKS},
                                                    {"memlock", RLIMIT_MEMLOCK},
                                                    {"msgqueue", RLIMIT_MSGQUEUE},
                                                    {"nice", RLIMIT_NICE},
                                                    {"nproc", RLIMIT_NPROC},
                                                    {"rss", RLIMIT_RSS},
                                                    {"rtprio", RLIMIT_RTPRIO},
                                                    {"rttime", RLIMIT_RTTIME},
                                                    {"sigpending", RLIMIT_SIGPENDING},
                                                    {"stack", RLIMIT_STACK}};

constexpr std::string_view kMasked[] = {"/proc/acpi",
                                        "/proc/asound",
                                        "/proc/interrupts",
                                        "/proc/kcore",
                                        "/proc/keys",
                                        "/proc/latency_stats",
                                        "/proc/sched_debug",
                                        "/proc/scsi",
                                        "/proc/timer_list",
                                        "/proc/timer_stats",
                                        "/sys/devices/virtual/powercap",
                                        "/sys/firmware"};
constexpr std::string_view kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                          "/proc/sysrq-trigger"};

json::object seccomp_of(std::uint64_t capabilities) {
  json::array syscalls;
  for (const auto& one : seccomp::default_rules(capabilities)) {
    json::object entry{{"names", array_of(one.names)},
                       {"action", one.refuse_errno ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW"}};
    if (one.refuse_errno) entry["errnoRet"] = *one.refuse_errno;
    json::array conditions;
    for (const auto& c : one.conditions) {
      conditions.push_back(json::object{
          {"index", c.index}, {"value", c.value}, {"valueTwo", c.value_two}, {"op", c.op}});
    }
    if (!conditions.empty()) entry["args"] = std::move(conditions);
    syscalls.push_back(std::move(entry));
  }
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"defaultErrnoRet", EPERM},
          {"architectures", array_of(seccomp::architectures())},
          {"syscalls", std::move(syscalls)}};
}

sdk::Result<json::object> hooks(const ContainerSpec& spec) {
  constexpr std::string_view kNames[] = {"createRuntime", "createContainer", "startContainer",
                                         "poststart", "poststop"};
  json::object out;
  for (const auto& edits : spec.edits) {
    for (const auto& hook : edits.hooks()) {
      if (std::find(std::begin(kNames), std::end(kNames), hook.name()) == std::end(kNames)) {
        return invalid("edits.hooks", "has an unknown name: " + hook.name());
      }
      if (!hook.path().starts_with('/')) return invalid("edits.hooks", "need an absolute path");
      json::object entry{{"path", hook.path()}};
      if (hook.args_size() > 0) entry["args"] = array_of(hook.args());
      if (hook.env_size() > 0) entry["env"] = array_of(hook.env());
      if (hook.timeout_s() > 0) entry["timeout"] = hook.timeout_s();
      auto& list = out[hook.name()];
      if (!list.is_array()) list = json::array();
      list.as_array().push_back(std::move(entry));
    }
  }
  return out;
}

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

sdk::Result<void> check(const ContainerSpec& spec) {
  const bool id_good = !spec.id.empty() && spec.id.size() <= 200 && name_char(spec.id.front()) &&
                       std::all_of(spec.id.begin(), spec.id.end(), [](char c) {
                         return name_char(c) || c == '_' || c == '.' || c == '-';
                       });
  if (!id_good)
    return invalid("id", "must be 1 to 200 of [A-Za-z0-9_.-], starting with a letter or digit");
  for (const auto& [field, value] :
       {std::pair{"bundle_dir", &spec.bundle_dir}, std::pair{"rootfs", &spec.rootfs},
        std::pair{"cwd", &spec.cwd}, std::pair{"cgroup_path", &spec.cgroup_path},
        std::pair{"log.path", &spec.log.path}}) {
    if (value == &spec.log.path && value->empty()) continue;  // nowhere
    if (!value->starts_with('/')) return invalid(field, "must be an absolute path");
    if (value->find('\n') != std::string::npos) return invalid(field, "must be one line");
  }
  if (spec.cgroup_path.find("/..") != std::string::npos || spec.cgroup_path.size() < 2) {
    return invalid("cgroup_path", "must name a cgroup of its own");
  }
  if (spec.args.empty() || spec.args.front().empty()) return invalid("args", "name no program");
  if (spec.options.with_init && spec.init_program.empty()) {
    return invalid("init_program", "is missing");
  }
  for (const auto& mount : spec.options.mounts) {
    if (!mount.destination.starts_with('/') || mount.destination.size() < 2) {
      return invalid("options.mounts", "need an absolute destination");
    }
  }
  for (const auto* list : {&spec.args, &spec.env}) {
    for (const auto& text : *list) {
      if (text.find('\0') != std::string::npos) {
        return invalid(list == &spec.args ? "args" : "env", "must not contain a zero byte");
      }
    }
  }
  return {};
}

json::array masked_paths(const HostAbilities& host) {
  json::array out = array_of(kMasked);
  for (const auto& path : host.thermal_throttle) out.emplace_back(path);
  return out;
}

json::object sysctls(const ContainerSpec& spec) {
  json::object out;
  // Those of a network that belongs to the host can be set from outside alone, by whoever made it.
  const bool outside = !spec.ids.empty();
  if (!spec.netns_path.empty() && !outside) {
    // As Docker: in a network of its own, low ports and ping need no privilege.
    out["net.ipv4.ip_unprivileged_port_start"] = "0";
    out["net.ipv4.ping_group_range"] = "0 2147483647";
  }
  for (const auto& [name, value] : spec.options.sysctls) {
    if (!outside || !name.starts_with("net.")) out[name] = value;
  }
  return out;
}

json::object annotations(const ContainerSpec& spec) {
  json::object out;
  for (const auto& [key, value] : spec.annotations) out[key] = value;
  for (const auto& edits : spec.edits) {
    for (const auto& [key, value] : edits.annotations()) out[key] = value;
  }
  out["berth.stop-signal"] = std::to_string(spec.stop_signal);
  return out;
}

}  // namespace

HostAbilities HostAbilities::detect() {
  HostAbilities out;
  const auto status = state::read_file("/proc/self/status").value_or("");
  if (const auto at = status.find("CapBnd:"); at != std::string::npos) {
    out.bounding_caps = std::strtoull(status.c_str() + at + 7, nullptr, 16);
  }
  rlimit limit{};
  // Who may raise limits is held by the kernel's own bound alone.
  const bool may_raise = out.bounding_caps & capabilities::bit("SYS_RESOURCE");
  if (may_raise) {
    const auto most = state::read_file("/proc/sys/fs/nr_open").value_or("");
    out.nofile_hard = std::max<std::uint64_t>(1024, std::strtoull(most.c_str(), nullptr, 10));
  } else {
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.nofile_hard = limit.rlim_max;
    for (const auto& [name, resource] : kRlimits) {
      if (::getrlimit(resource, &limit) == 0) out.hard_limits[name] = limit.rlim_max;
    }
  }
  constexpr long kCgroup2Magic = 0x63677270;
  struct statfs fs {};
  out.unified_cgroups = ::statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == kCgroup2Magic;
  out.swap_accounting =
      out.unified_cgroups
          ? ::access("/proc/swaps", F_OK) == 0
          : ::access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
  out.apparmor = state::read_file("/sys/module/apparmor/parameters/enabled").value_or("") == "Y\n";
  for (int cpu = 0; cpu < ::get_nprocs_conf(); ++cpu) {
    auto path = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/thermal_throttle";
    if (::access(path.c_str(), F_OK) == 0) out.thermal_throttle.push_back(std::move(path));
  }
  return out;
}

sdk::Result<std::string> build_config(const ContainerSpec& spec, const HostAbilities& host) {
  if (auto good = check(spec); !good) return good.error();
  if (!spec.options.rights.apparmor_profile.empty() && !host.apparmor) {
    return invalid("apparmor_profile",
                   spec.options.rights.apparmor_profile + ": this host has no AppArmor");
  }
  auto devices = spec::devices(spec);
  if (!devices) return devices.error();
  auto hook_lists = hooks(spec);
  if (!hook_lists) return hook_lists.error();

  json::object in_linux{{"namespaces", spec::namespaces(spec, host)},
                        {"cgroupsPath", spec.cgroup_path},
                        {"resources", spec::resources(spec, host, std::move(devices->rules))},
                        {"rootfsPropagation", "rprivate"}};
  const Rights& rights = spec.options.rights;
  if (!rights.privileged) {
    in_linux["maskedPaths"] = masked_paths(host);
    in_linux["readonlyPaths"] = array_of(kReadonly);
  }
  if (!rights.privileged && !rights.seccomp_unconfined) {
    in_linux["seccomp"] = seccomp_of(spec::granted(spec, host));
  }
  if (!spec.ids.empty()) {
    const json::array map{json::object{
        {"containerID", 0}, {"hostID", spec.ids.first}, {"size", spec.ids.count}}};
    in_linux["uidMappings"] = map;
    in_linux["gidMappings"] = map;
  }
  if (!devices->nodes.empty()) in_linux["devices"] = std::move(devices->nodes);
  if (auto set = sysctls(spec); !set.empty()) in_linux["sysctl"] = std::move(set);
  json::object config{{"ociVersion", "1.0.2"},
                      {"process", spec::process(spec, host)},
                      {"root", {{"path", spec.rootfs}, {"readonly", spec.readonly_rootfs}}},
                      {"mounts", spec::mounts(spec)},
                      {"annotations", annotations(spec)},
                      {"linux", std::move(in_linux)}};
  if (!spec.hostname.empty()) {
    config["hostname"] = spec.hostname;
  } else if (utsname names{}; host.sandboxed && ::uname(&names) == 0) {
    config["hostname"] = names.nodename;  // a sandbox does not have it by itself
  }
  if (!hook_lists->empty()) config["hooks"] = std::move(*hook_lists);
  return json::serialize(config);
}

}  // namespace berth::runtime
