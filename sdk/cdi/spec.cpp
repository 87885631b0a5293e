// SPDX-License-Identifier: Apache-2.0
#include "sdk/cdi/spec.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "sdk/cdi/json_object.hpp"
#include "sdk/cdi/yaml.hpp"

namespace berth::cdi {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDevices = 4096;
constexpr std::int64_t kMaxId = std::numeric_limits<std::uint32_t>::max();

// In their order: a version's place says which members a file may have.
constexpr std::array<std::string_view, 10> kVersions{"0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0",
                                                     "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"};
constexpr std::array<std::string_view, 5> kHooks{"createRuntime", "createContainer",
                                                 "startContainer", "poststart", "poststop"};

std::size_t place_of(std::string_view version) {
  return static_cast<std::size_t>(std::ranges::find(kVersions, version) - kVersions.begin());
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_device_name(std::string_view name) {
  return !name.empty() && name.size() <= 256 && is_alphanumeric(name.front()) &&
         is_alphanumeric(name.back()) && std::ranges::all_of(name, [](char c) {
           return is_alphanumeric(c) || c == '_' || c == '-' || c == '.' || c == ':';
         });
}

// A letter first, a letter or digit last, "_-." between; CDI's rule for vendors and classes.
bool is_part_of_kind(std::string_view text) {
  return !text.empty() && text.size() <= 128 && is_alphanumeric(text.front()) &&
         (text.front() < '0' || text.front() > '9') && is_alphanumeric(text.back()) &&
         std::ranges::all_of(
             text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; });
}

bool is_plain(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

bool is_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() > 4096 || !is_plain(path)) return false;
  const std::string closed = std::string(path) + "/";
  return closed.find("/../") == std::string::npos && closed.find("/./") == std::string::npos;
}

class SpecReader {
 public:
  sdk::Result<Spec> read(const json::value& value) {
    JsonObject root(value, "", findings_);
    read_version(root);
    spec_.kind = root.required_text("kind");
    if (!spec_.kind.empty() && !is_kind(spec_.kind)) root.reject("kind", "is not VENDOR/CLASS");
    if (spec_.kind.find('.', spec_.vendor().size()) != std::string::npos) {
      needs("0.6.0", root, "kind");
    }
    annotations(root);
    root.items("devices", [&](const json::value& item, const std::string& path) {
      if (spec_.devices.size() > kMaxDevices || findings_.first) return;
      read_device(item, path);
    });
    if (spec_.devices.empty()) root.reject("devices", "must name at least one device");
    if (spec_.devices.size() > kMaxDevices) root.reject("devices", "are more than 4096");
    edits(root, spec_.edits);
    root.finish();
    if (findings_.first) return *findings_.first;
    return std::move(spec_);
  }

 private:
  void read_version(JsonObject& root) {
    std::string version = root.required_text("cdiVersion");
    if (version.starts_with('v')) version.erase(0, 1);
    version_ = place_of(version);
    if (version_ == kVersions.size() && !version.empty()) {
      root.reject("cdiVersion", "'" + version.substr(0, 32) +
                                    "' is none that this plugin knows; it knows up to " +
                                    std::string(kVersions.back()));
    }
  }

  void needs(std::string_view version, JsonObject& object, std::string_view member) {
    if (version_ < place_of(version)) {
      object.reject(member, "needs a cdiVersion of at least " + std::string(version));
    }
  }

  void annotations(JsonObject& object) {
    const json::value* const value = object.any("annotations");
    if (!value) return;
    needs("0.6.0", object, "annotations");
    // They are about the specification, not for the container.
    if (!value->is_object()) object.reject("annotations", "must be an object");
  }

  void read_device(const json::value& value, const std::string& path) {
    JsonObject object(value, path, findings_);
    Device device;
    device.name = object.required_text("name");
    if (!device.name.empty()) {
      if (!is_device_name(device.name)) object.reject("name", "is no name of a device");
      if (device.name[0] >= '0' && device.name[0] <= '9') needs("0.5.0", object, "name");
      if (!names_.insert(device.name).second) object.reject("name", "is there twice");
    }
    annotations(object);
    edits(object, device.edits);
    object.finish();
    spec_.devices.push_back(std::move(device));
  }

  void edits(JsonObject& parent, Edits& out) {
    const json::value* const value = parent.any("containerEdits");
    if (!value) return;
    JsonObject object(*value, parent.path_of("containerEdits"), findings_);
    for (const std::string& entry : object.texts("env")) {
      if (entry.find('=') == std::string::npos || entry.starts_with('=')) {
        object.reject("env", "holds something that is not NAME=VALUE");
      }
      out.oci.add_env(entry);
    }
    object.items("deviceNodes", [&](const json::value& item, const std::string& path) {
      read_node(item, path, out);
    });
    object.items("mounts", [&](const json::value& item, const std::string& path) {
      read_mount(item, path, out);
    });
    object.items("hooks", [&](const json::value& item, const std::string& path) {
      read_hook(item, path, out);
    });
    if (object.has("additionalGids")) needs("0.7.0", object, "additionalGids");
    for (const std::int64_t gid : object.integers("additionalGids", kMaxId)) {
      if (gid != 0) out.oci.add_additional_gids(static_cast<std::uint32_t>(gid));
    }
    for (const auto& [member, version] :
         {std::pair{"intelRdt", "0.7.0"}, std::pair{"netDevices", "1.1.0"}}) {
      if (!object.any(member)) continue;
      needs(version, object, member);
      out.unsupported.push_back(object.path_of(member));
    }
    object.finish();
  }

  std::string path_in(JsonObject& object, std::string_view member) {
    std::string path = object.required_text(member);
    if (!path.empty() && !is_path(path)) object.reject(member, "is no absolute, plain path");
    return path;
  }

  void read_node(const json::value& value, const std::string& path, Edits& out) {
    JsonObject object(value, path, findings_);
    v1::DeviceNode& node = *out.oci.add_device_nodes();
    node.set_path(path_in(object, "path"));
    if (object.has("hostPath")) {
      needs("0.5.0", object, "hostPath");
      node.set_host_path(path_in(object, "hostPath"));
    }
    std::string type = object.text("type");
    const std::int64_t major = object.integer("major", kMaxId);
    const std::int64_t minor = object.integer("minor", kMaxId);
    if (type == "u") type = "c";  // a character device as well, without a buffer
    if (type == "p") {
      out.unsupported.push_back(object.path_of("type") + " 'p' (a FIFO)");
    } else if (!type.empty() && type != "c" && type != "b") {
      object.reject("type", "must be b, c, u or p");
    }
    if (!type.empty() && major != 0) {  // otherwise the host's own node tells
      node.set_type(type);
      node.set_major(major);
      node.set_minor(minor);
    }
    node.set_file_mode(static_cast<std::uint32_t>(object.integer("fileMode", kMaxId)) & 07777U);
    node.set_permissions(object.text("permissions"));
    if (node.permissions().find_first_not_of("rwm") != std::string::npos) {
      object.reject("permissions", "must be of r, w and m");
    }
    node.set_uid(static_cast<std::uint32_t>(object.integer("uid", kMaxId)));
    node.set_gid(static_cast<std::uint32_t>(object.integer("gid", kMaxId)));
    object.finish();
  }

  void read_mount(const json::value& value, const std::string& path, Edits& out) {
    JsonObject object(value, path, findings_);
    v1::Mount& mount = *out.oci.add_mounts();
    mount.set_type(object.text("type"));
    if (!mount.type().empty()) needs("0.4.0", object, "type");
    if (mount.type().empty() || mount.type() == "bind") {
      mount.set_host_path(path_in(object, "hostPath"));
    } else {
      mount.set_host_path(object.required_text("hostPath"));
    }
    mount.set_container_path(path_in(object, "containerPath"));
    for (std::string& option : object.texts("options")) mount.add_options(std::move(option));
    object.finish();
  }

  void read_hook(const json::value& value, const std::string& path, Edits& out) {
    JsonObject object(value, path, findings_);
    v1::Hook hook;
    hook.set_name(object.required_text("hookName"));
    hook.set_path(path_in(object, "path"));
    for (std::string& argument : object.texts("args")) hook.add_args(std::move(argument));
    for (std::string& entry : object.texts("env")) hook.add_env(std::move(entry));
    hook.set_timeout_s(static_cast<std::uint32_t>(object.integer("timeout", 86400)));
    object.finish();
    if (std::ranges::find(kHooks, hook.name()) != kHooks.end()) {
      *out.oci.add_hooks() = std::move(hook);
    } else if (hook.name() == "prestart") {  // of old, and deprecated by OCI
      out.unsupported.push_back(object.path_of("hookName") + " 'prestart'");
    } else if (!hook.name().empty()) {
      object.reject("hookName", "is none of OCI's hooks");
    }
  }

  Findings findings_;
  std::size_t version_ = 0;
  std::set<std::string> names_;
  Spec spec_;
};

template <typename Message>
void add_new(const google::protobuf::RepeatedPtrField<Message>& more,
             google::protobuf::RepeatedPtrField<Message>& to) {
  std::set<std::string> there;
  for (const Message& each : to) there.insert(each.SerializeAsString());
  for (const Message& each : more) {
    if (there.insert(each.SerializeAsString()).second) *to.Add() = each;
  }
}

}  // namespace

bool is_kind(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return false;
  const std::string_view all = text;
  return is_part_of_kind(all.substr(0, slash)) && is_part_of_kind(all.substr(slash + 1));
}

sdk::Result<Spec> parse_spec(std::string_view text, Format format) {
  if (format == Format::Yaml) {
    auto value = parse_yaml(text);
    return value ? SpecReader().read(*value) : value.error();
  }
  boost::system::error_code problem;
  const json::value value = json::parse(text, problem);
  if (problem) return sdk::fail(BERTH_INVALID, "is no JSON: " + problem.message());
  return SpecReader().read(value);
}

void merge(const v1::OciEdits& more, v1::OciEdits& edits) {
  for (const std::string& entry : more.env()) {
    if (std::ranges::find(edits.env(), entry) == edits.env().end()) edits.add_env(entry);
  }
  add_new(more.device_nodes(), *edits.mutable_device_nodes());
  add_new(more.mounts(), *edits.mutable_mounts());
  add_new(more.hooks(), *edits.mutable_hooks());
  for (const std::uint32_t gid : more.additional_gids()) {
    if (std::ranges::find(edits.additional_gids(), gid) == edits.additional_gids().end()) {
      edits.add_additional_gids(gid);
    }
  }
}

}  // namespace berth::cdi
