// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <sys/sysmacros.h>
#undef major
#undef minor

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "sdk/runtime/oci/spec_parts.hpp"

namespace berth::runtime::spec {
namespace {

namespace fs = std::filesystem;

constexpr int kMostDevices = 4096;  // below one requested directory

json::object rule(bool allow, std::string_view type, std::int64_t major, std::int64_t minor,
                  std::string_view access) {
  json::object out{{"allow", allow}, {"type", type}, {"access", access}};
  if (major >= 0) out["major"] = major;
  if (minor >= 0) out["minor"] = minor;
  return out;
}

json::array default_rules() {
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

struct Node {
  std::string path;
  std::string type;
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::uint32_t mode = 0666;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

void add(const Node& node, std::string_view access, Devices& devices) {
  devices.nodes.push_back(json::object{{"path", node.path},
                                       {"type", node.type},
                                       {"major", node.major},
                                       {"minor", node.minor},
                                       {"fileMode", node.mode},
                                       {"uid", node.uid},
                                       {"gid", node.gid}});
  devices.rules.push_back(rule(true, node.type, node.major, node.minor, access));
}

bool is_device(const struct stat& info) {
  return S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode);
}

Node node_of(const std::string& path, const struct stat& info) {
  return {.path = path,
          .type = S_ISCHR(info.st_mode) ? "c" : "b",
          .major = ::gnu_dev_major(info.st_rdev),
          .minor = ::gnu_dev_minor(info.st_rdev),
          .mode = info.st_mode & 07777,
          .uid = info.st_uid,
          .gid = info.st_gid};
}

sdk::Result<void> add_edit(const v1::DeviceNode& edit, Devices& devices) {
  const std::string& host_path = edit.host_path().empty() ? edit.path() : edit.host_path();
  Node node{.path = edit.path(),
            .type = edit.type(),
            .major = edit.major(),
            .minor = edit.minor(),
            .mode = edit.file_mode(),
            .uid = edit.uid(),
            .gid = edit.gid()};
  struct stat info {};
  const bool there = ::stat(host_path.c_str(), &info) == 0;
  if (node.type.empty()) {
    if (!there) return invalid("edits.device_nodes", host_path + ": " + std::strerror(errno));
    if (!is_device(info)) return invalid("edits.device_nodes", host_path + " is no device");
    const Node found = node_of(edit.path(), info);
    node.type = found.type;
    node.major = found.major;
    node.minor = found.minor;
  }
  if (node.type != "c" && node.type != "b") {
    return invalid("edits.device_nodes", "type must be c or b");
  }
  if (node.mode == 0) node.mode = there ? info.st_mode & 07777 : 0666;
  add(node, edit.permissions().empty() ? "rwm" : std::string_view(edit.permissions()), devices);
  return {};
}

// As Docker, a directory stands for all devices in it.
sdk::Result<void> add_request(const DeviceRequest& wish, Devices& devices) {
  struct stat info {};
  if (::stat(wish.host_path.c_str(), &info) != 0) {
    return invalid("devices", wish.host_path + ": " + std::strerror(errno));
  }
  if (is_device(info)) {
    add(node_of(wish.path, info), wish.access, devices);
    return {};
  }
  if (!S_ISDIR(info.st_mode)) return invalid("devices", wish.host_path + " is no device");
  int found = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(wish.host_path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (::lstat(entry->path().c_str(), &info) != 0 || !is_device(info)) continue;
    if (++found > kMostDevices) {
      return invalid("devices", wish.host_path + " holds more than 4096 devices");
    }
    const std::string below = entry->path().string().substr(wish.host_path.size());
    add(node_of(wish.path + below, info), wish.access, devices);
  }
  if (found == 0) return invalid("devices", wish.host_path + " holds no devices");
  return {};
}

// Nodes that each container has of its own.
bool is_own(const fs::path& path) {
  constexpr std::string_view kOwn[] = {"/dev/null",    "/dev/zero", "/dev/full",    "/dev/random",
                                       "/dev/urandom", "/dev/tty",  "/dev/console", "/dev/ptmx"};
  return std::find(std::begin(kOwn), std::end(kOwn), path.native()) != std::end(kOwn);
}

void add_all_of_host(Devices& devices) {
  devices.rules = json::array{rule(true, "a", -1, -1, "rwm")};
  std::error_code error;
  for (fs::recursive_directory_iterator entry("/dev", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string& path = entry->path().native();
    if (path == "/dev/pts" || path == "/dev/shm" || path == "/dev/mqueue" || path == "/dev/fd") {
      entry.disable_recursion_pending();
      continue;
    }
    struct stat info {};
    if (is_own(entry->path()) || ::lstat(path.c_str(), &info) != 0 || !is_device(info)) continue;
    const auto rules = devices.rules.size();
    add(node_of(path, info), "rwm", devices);
    devices.rules.resize(rules);  // the first one says it all
  }
}

}  // namespace

sdk::Result<Devices> devices(const ContainerSpec& spec) {
  Devices out{.nodes = {}, .rules = default_rules()};
  if (spec.options.rights.privileged) add_all_of_host(out);
  for (const auto& wish : spec.options.devices) {
    if (auto added = add_request(wish, out); !added) return added.error();
  }
  for (const auto& edits : spec.edits) {
    for (const auto& node : edits.device_nodes()) {
      if (auto added = add_edit(node, out); !added) return added.error();
    }
  }
  return out;
}

}  // namespace berth::runtime::spec
