// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "sdk/runtime/oci/spec_parts.hpp"

namespace berth::runtime::spec {
namespace {

using Strings = std::vector<std::string_view>;

json::object mount(std::string_view to, std::string_view type, std::string_view from,
                   const auto& options) {
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

class DefaultMounts {
 public:
  DefaultMounts(const ContainerSpec& spec, json::array& out) : spec_(spec), out_(out) {}

  // Unless the definition puts something of its own there.
  void add(std::string_view to, std::string_view type, std::string_view from,
           const Strings& options) {
    const auto& own = spec_.options.mounts;
    const bool replaced = std::any_of(own.begin(), own.end(), [&to](const MountSpec& mount) {
      return mount.destination == to || (mount.destination == "/dev" && to.starts_with("/dev/"));
    });
    if (!replaced) out_.push_back(mount(to, type, from, options));
  }
  void bind(std::string_view to, const std::string& from, std::string_view access = "rw") {
    if (!from.empty()) add(to, "bind", from, {"rbind", "rprivate", access});
  }

 private:
  const ContainerSpec& spec_;
  json::array& out_;
};

void add_ipc_mounts(const ContainerSpec& spec, DefaultMounts& out) {
  const SharedMemory& shm = spec.options.shm;
  // Of the ipc namespace that the container is in, whosever that is.
  out.add("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
  const std::string size = "size=" + std::to_string(shm.bytes);
  switch (shm.source) {
    case SharedMemory::Source::OwnTmpfs:
      out.add("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", size});
      break;
    case SharedMemory::Source::Host:
      out.add("/dev/shm", "bind", "/dev/shm", {"rbind", "rprivate", "nosuid", "noexec", "nodev"});
      break;
    case SharedMemory::Source::Directory:
      out.add("/dev/shm", "bind", shm.directory,
              {"rbind", "rprivate", "nosuid", "noexec", "nodev"});
      break;
    case SharedMemory::Source::None:
      break;
  }
}

}  // namespace

json::array mounts(const ContainerSpec& spec) {
  json::array out;
  DefaultMounts defaults(spec, out);
  const bool privileged = spec.options.rights.privileged;
  const std::string_view access = privileged ? "rw" : "ro";
  defaults.add("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
  defaults.add("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"});
  defaults.add("/dev/pts", "devpts", "devpts",
               {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"});
  if (spec.ids.empty()) {
    defaults.add("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access});
  } else {
    // The kernel makes a sysfs only for those who own the network namespace.
    defaults.add("/sys", "bind", "/sys",
                 {"rbind", "rprivate", "nosuid", "noexec", "nodev", access});
  }
  defaults.add("/sys/fs/cgroup", "cgroup", "cgroup", {access, "nosuid", "noexec", "nodev"});
  add_ipc_mounts(spec, defaults);
  for (const MountSpec& own : spec.options.mounts) {
    out.push_back(mount(own.destination, own.type, own.source, own.options));
  }
  // A volume at /etc would hide them.
  defaults.bind("/etc/hosts", spec.etc.hosts);
  defaults.bind("/etc/hostname", spec.etc.hostname);
  defaults.bind("/etc/resolv.conf", spec.etc.resolv_conf);
  if (spec.options.with_init) defaults.bind(kInitPath, spec.init_program, "ro");
  add_edited_mounts(spec, out);
  return out;
}

}  // namespace berth::runtime::spec
