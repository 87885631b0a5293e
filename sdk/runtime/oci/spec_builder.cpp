// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/spec_builder.hpp"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#undef major
#undef minor
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/oci/seccomp_profile.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kNofileSoft = 32'768;  // as ECS's own hosts have them
constexpr std::uint64_t kNofileHard = 65'536;

struct Capability {
  unsigned number;
  std::string_view name;
};
// Docker's default set.
constexpr std::array<Capability, 14> kCapabilities{{{CAP_CHOWN, "CAP_CHOWN"},
                                                    {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
                                                    {CAP_FSETID, "CAP_FSETID"},
                                                    {CAP_FOWNER, "CAP_FOWNER"},
                                                    {CAP_MKNOD, "CAP_MKNOD"},
                                                    {CAP_NET_RAW, "CAP_NET_RAW"},
                                                    {CAP_SETGID, "CAP_SETGID"},
                                                    {CAP_SETUID, "CAP_SETUID"},
                                                    {CAP_SETFCAP, "CAP_SETFCAP"},
                                                    {CAP_SETPCAP, "CAP_SETPCAP"},
                                                    {CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
                                                    {CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
                                                    {CAP_KILL, "CAP_KILL"},
                                                    {CAP_AUDIT_WRITE, "CAP_AUDIT_WRITE"}}};

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

using Strings = std::vector<std::string_view>;

json::array array_of(const auto& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(json::string_view(value.data(), value.size()));
  return out;
}

sdk::Error invalid(std::string_view field, std::string_view why) {
  return sdk::fail(BERTH_INVALID, std::string(field) + " " + std::string(why), std::string(field));
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

std::uint64_t granted(const HostAbilities& host) {
  std::uint64_t caps = 0;
  for (const auto& cap : kCapabilities) caps |= std::uint64_t{1} << cap.number;
  return caps & host.bounding_caps;
}

json::object process(const ContainerSpec& spec, const HostAbilities& host) {
  json::array caps;
  for (const auto& cap : kCapabilities) {
    if (host.bounding_caps >> cap.number & 1) caps.emplace_back(cap.name);
  }
  json::array gids;
  for (const auto gid : spec.additional_gids) gids.emplace_back(gid);
  for (const auto& edits : spec.edits) {
    for (const auto gid : edits.additional_gids()) {
      if (gid != 0) gids.emplace_back(gid);
    }
  }
  const std::uint64_t hard = std::min(kNofileHard, host.nofile_hard);
  json::array rlimits;
  rlimits.push_back(json::object{
      {"type", "RLIMIT_NOFILE"}, {"hard", hard}, {"soft", std::min(kNofileSoft, hard)}});
  return {{"terminal", false},
          {"user", {{"uid", spec.uid}, {"gid", spec.gid}, {"additionalGids", std::move(gids)}}},
          {"args", array_of(spec.args)},
          {"env", environment(spec)},
          {"cwd", spec.cwd},
          // Inheritable and ambient stay empty: what a program gains at exec comes from its file or
          // from being root.
          {"capabilities", {{"bounding", caps}, {"effective", caps}, {"permitted", caps}}},
          {"rlimits", std::move(rlimits)},
          {"noNewPrivileges", false}};
}

json::object mount(std::string_view to, std::string_view type, std::string_view from,
                   const Strings& options) {
  return {{"destination", to}, {"type", type}, {"source", from}, {"options", array_of(options)}};
}

void add_edited_mounts(const ContainerSpec& spec, json::array& mounts) {
  for (const auto& edits : spec.edits) {
    for (const auto& edit : edits.mounts()) {
      Strings options(edit.options().begin(), edit.options().end());
      const bool bound = std::any_of(options.begin(), options.end(), [](std::string_view option) {
        return option == "bind" || option == "rbind";
      });
      const std::string_view type = edit.type().empty() ? "bind" : std::string_view(edit.type());
      if (type == "bind" && !bound) options.emplace_back("rbind");
      mounts.push_back(mount(edit.container_path(), type, edit.host_path(), options));
    }
  }
}

json::array mounts(const ContainerSpec& spec) {
  const std::string shm = "size=" + std::to_string(spec.shm_bytes);
  json::array out{
      mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}),
      mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", shm})};
  const auto bind = [&out](std::string_view to, const std::string& from) {
    if (!from.empty()) out.push_back(mount(to, "bind", from, {"rbind", "rprivate", "rw"}));
  };
  bind("/etc/hosts", spec.etc.hosts);
  bind("/etc/hostname", spec.etc.hostname);
  bind("/etc/resolv.conf", spec.etc.resolv_conf);
  add_edited_mounts(spec, out);
  return out;
}

json::array namespaces(const ContainerSpec& spec, const HostAbilities& host) {
  json::array out;
  for (const char* own : {"pid", "ipc", "uts", "mount"}) out.push_back(json::object{{"type", own}});
  if (!spec.netns_path.empty()) {
    out.push_back(json::object{{"type", "network"}, {"path", spec.netns_path}});
  }
  if (host.unified_cgroups) out.push_back(json::object{{"type", "cgroup"}});
  return out;
}

json::object resources(const ContainerSpec& spec, const HostAbilities& host, json::array devices) {
  json::object out{{"devices", std::move(devices)}};
  if (host.unified_cgroups) {
    // Runtimes differ in how they turn shares into a weight.
    out["unified"] = {{"cpu.weight", std::to_string(weight_of_shares(spec.cpu_shares))}};
  } else {
    out["cpu"] = {{"shares", clamp_shares(spec.cpu_shares)}};
  }
  json::object memory;
  if (spec.memory_limit > 0) {
    memory["limit"] = spec.memory_limit;
    // Equal to the limit: no swap, or the limit would be none.
    if (host.swap_accounting) memory["swap"] = spec.memory_limit;
  }
  if (spec.memory_reservation > 0) memory["reservation"] = spec.memory_reservation;
  if (!memory.empty()) out["memory"] = std::move(memory);
  if (spec.pids_limit > 0) out["pids"] = {{"limit", spec.pids_limit}};
  return out;
}

json::object rule(bool allow, std::string_view type, std::int64_t major, std::int64_t minor,
                  std::string_view access) {
  json::object out{{"allow", allow}, {"type", type}, {"access", access}};
  if (major >= 0) out["major"] = major;
  if (minor >= 0) out["minor"] = minor;
  return out;
}

json::array default_devices() {
  json::array out{rule(false, "a", -1, -1, "rwm")};
  // null, zero, full, random, urandom, tty, console, ptmx, pts/*.
  constexpr std::pair<int, int> kNodes[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8},   {1, 9},
                                            {5, 0}, {5, 1}, {5, 2}, {136, -1}};
  for (const auto& [major, minor] : kNodes) out.push_back(rule(true, "c", major, minor, "rwm"));
  // Nodes may be made of any device and opened of none.
  out.push_back(rule(true, "c", -1, -1, "m"));
  out.push_back(rule(true, "b", -1, -1, "m"));
  return out;
}

struct Devices {
  json::array nodes;
  json::array rules = default_devices();
};

sdk::Result<void> add_device(const v1::DeviceNode& edit, Devices& devices) {
  const std::string& host_path = edit.host_path().empty() ? edit.path() : edit.host_path();
  std::string type = edit.type();
  auto major_number = edit.major();
  auto minor_number = edit.minor();
  std::uint32_t mode = edit.file_mode();
  struct stat info {};
  const bool there = ::stat(host_path.c_str(), &info) == 0;
  if (type.empty()) {
    if (!there) return invalid("edits.device_nodes", host_path + ": " + std::strerror(errno));
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
      return invalid("edits.device_nodes", host_path + " is no device");
    }
    type = S_ISCHR(info.st_mode) ? "c" : "b";
    major_number = ::gnu_dev_major(info.st_rdev);
    minor_number = ::gnu_dev_minor(info.st_rdev);
  }
  if (type != "c" && type != "b") return invalid("edits.device_nodes", "type must be c or b");
  if (mode == 0) mode = there ? info.st_mode & 07777 : 0666;
  devices.nodes.push_back(json::object{{"path", edit.path()},
                                       {"type", type},
                                       {"major", major_number},
                                       {"minor", minor_number},
                                       {"fileMode", mode},
                                       {"uid", edit.uid()},
                                       {"gid", edit.gid()}});
  devices.rules.push_back(
      rule(true, type, major_number, minor_number,
           edit.permissions().empty() ? "rwm" : std::string_view(edit.permissions())));
  return {};
}

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
    if (!value->starts_with('/')) return invalid(field, "must be an absolute path");
    if (value->find('\n') != std::string::npos) return invalid(field, "must be one line");
  }
  if (spec.cgroup_path.find("/..") != std::string::npos || spec.cgroup_path.size() < 2) {
    return invalid("cgroup_path", "must name a cgroup of its own");
  }
  if (spec.args.empty() || spec.args.front().empty()) return invalid("args", "name no program");
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
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.nofile_hard = limit.rlim_max;
  constexpr long kCgroup2Magic = 0x63677270;
  struct statfs fs {};
  out.unified_cgroups = ::statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == kCgroup2Magic;
  out.swap_accounting =
      out.unified_cgroups
          ? ::access("/proc/swaps", F_OK) == 0
          : ::access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
  for (int cpu = 0; cpu < ::get_nprocs_conf(); ++cpu) {
    auto path = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/thermal_throttle";
    if (::access(path.c_str(), F_OK) == 0) out.thermal_throttle.push_back(std::move(path));
  }
  return out;
}

sdk::Result<std::string> build_config(const ContainerSpec& spec, const HostAbilities& host) {
  if (auto good = check(spec); !good) return good.error();
  Devices devices;
  for (const auto& edits : spec.edits) {
    for (const auto& node : edits.device_nodes()) {
      if (auto added = add_device(node, devices); !added) return added.error();
    }
  }
  auto hook_lists = hooks(spec);
  if (!hook_lists) return hook_lists.error();

  json::object in_linux{{"namespaces", namespaces(spec, host)},
                        {"cgroupsPath", spec.cgroup_path},
                        {"resources", resources(spec, host, std::move(devices.rules))},
                        {"seccomp", seccomp_of(granted(host))},
                        {"maskedPaths", masked_paths(host)},
                        {"readonlyPaths", array_of(kReadonly)},
                        {"rootfsPropagation", "rprivate"}};
  if (!devices.nodes.empty()) in_linux["devices"] = std::move(devices.nodes);
  if (!spec.netns_path.empty()) {
    // As Docker: in a network of its own, low ports and ping need no privilege.
    in_linux["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                          {"net.ipv4.ping_group_range", "0 2147483647"}};
  }
  json::object config{{"ociVersion", "1.0.2"},
                      {"process", process(spec, host)},
                      {"root", {{"path", spec.rootfs}, {"readonly", spec.readonly_rootfs}}},
                      {"mounts", mounts(spec)},
                      {"annotations", annotations(spec)},
                      {"linux", std::move(in_linux)}};
  if (!spec.hostname.empty()) config["hostname"] = spec.hostname;
  if (!hook_lists->empty()) config["hooks"] = std::move(*hook_lists);
  return json::serialize(config);
}

}  // namespace berth::runtime
