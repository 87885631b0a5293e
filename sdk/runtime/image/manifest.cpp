// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/manifest.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "sdk/runtime/image/reference.hpp"

namespace berth::runtime::image {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxEntries = 1024;  // of any list in these documents that we walk

sdk::Error malformed(const std::string& what) {
  return sdk::fail(BERTH_INVALID, what);
}

// For messages: what a stranger wrote, cut and on one line.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 120)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out + "'";
}

sdk::Result<json::object> parse_object(std::string_view text, std::string_view what) {
  json::error_code error;
  json::value value = json::parse(json::string_view{text.data(), text.size()}, error);
  if (error || !value.is_object()) {
    return malformed("the " + std::string{what} + " is not a JSON object" +
                     (error ? ": " + error.message() : std::string{}));
  }
  return std::move(value.get_object());
}

// The member as text; empty where it is absent, null or of another type.
std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(json::string_view{key.data(), key.size()});
  if (!value || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

const json::object* object_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

const json::array* array_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_array() : nullptr;
}

std::optional<std::uint64_t> size_of(const json::object& object) {
  const json::value* value = object.if_contains("size");
  if (!value) return {};
  if (value->is_int64() && value->get_int64() >= 0) {
    return static_cast<std::uint64_t>(value->get_int64());
  }
  return {};
}

sdk::Result<Descriptor> parse_descriptor(const json::value& value, const std::string& what) {
  const json::object* object = value.if_object();
  if (!object) return malformed(what + " is not an object");
  Descriptor out{.media_type = text_of(*object, "mediaType"), .digest = text_of(*object, "digest")};
  if (!is_digest(out.digest)) {
    return malformed(what + " has no valid digest: " + quoted(out.digest));
  }
  const auto size = size_of(*object);
  if (!size) return malformed(what + " has no valid size");
  out.size = *size;
  if (const json::object* platform = object_of(*object, "platform")) {
    out.platform = {.os = text_of(*platform, "os"),
                    .architecture = text_of(*platform, "architecture"),
                    .variant = text_of(*platform, "variant")};
  } else {
    out.platform.os.clear();
  }
  return out;
}

sdk::Result<std::vector<Descriptor>> parse_descriptors(const json::array& list,
                                                       const std::string& what) {
  if (list.size() > kMaxEntries) {
    return malformed("there are " + std::to_string(list.size()) + " entries in " + what +
                     ", more than " + std::to_string(kMaxEntries));
  }
  std::vector<Descriptor> out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto one = parse_descriptor(list[i], what + "[" + std::to_string(i) + "]");
    if (!one) return one.error();
    out.push_back(std::move(*one));
  }
  return out;
}

bool is_index_type(std::string_view type) {
  return type == "application/vnd.oci.image.index.v1+json" ||
         type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

bool is_manifest_type(std::string_view type) {
  return type == "application/vnd.oci.image.manifest.v1+json" ||
         type == "application/vnd.docker.distribution.manifest.v2+json";
}

bool is_config_type(std::string_view type) {
  return type == "application/vnd.oci.image.config.v1+json" ||
         type == "application/vnd.docker.container.image.v1+json";
}

// What the bytes are is told by their magic; the type has only to say that this is a layer.
bool is_layer_type(std::string_view type) {
  return type.starts_with("application/vnd.oci.image.layer.v1.tar") ||
         type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         type.starts_with("application/vnd.docker.image.rootfs.diff.tar") ||
         type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}

std::string_view without_parameters(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return type;
}

// The type that body and header agree on.
sdk::Result<std::string> agreed_type(const json::object& object, std::string_view content_type) {
  const std::string_view header = without_parameters(content_type);
  const std::string body = text_of(object, "mediaType");
  const bool header_known = is_index_type(header) || is_manifest_type(header);
  if (!body.empty() && header_known && header != body) {
    return malformed("the registry calls the manifest " + quoted(header) + ", itself " +
                     quoted(body));
  }
  if (!body.empty()) return body;
  if (header_known) return std::string{header};
  // OCI lets both be silent; then the members tell.
  if (object.contains("manifests")) return std::string{"application/vnd.oci.image.index.v1+json"};
  if (object.contains("layers")) return std::string{"application/vnd.oci.image.manifest.v1+json"};
  return std::string{header};
}

sdk::Result<Manifest> manifest_of(const json::object& object) {
  const json::value* config = object.if_contains("config");
  const json::array* layers = array_of(object, "layers");
  if (!config || !layers) return malformed("the manifest has no config or no layers");
  auto parsed_config = parse_descriptor(*config, "config");
  if (!parsed_config) return parsed_config.error();
  auto parsed_layers = parse_descriptors(*layers, "layers");
  if (!parsed_layers) return parsed_layers.error();
  if (!is_config_type(parsed_config->media_type)) {
    return sdk::fail(BERTH_UNIMPLEMENTED, "this is no container image: its config is of type " +
                                              quoted(parsed_config->media_type));
  }
  if (parsed_config->size > kMaxConfig) {
    return malformed("its configuration has " + std::to_string(parsed_config->size) + " bytes");
  }
  for (const Descriptor& layer : *parsed_layers) {
    if (!is_layer_type(layer.media_type)) {
      return sdk::fail(BERTH_UNIMPLEMENTED,
                       "a layer of type " + quoted(layer.media_type) + " cannot be unpacked");
    }
  }
  return Manifest{std::move(*parsed_config), std::move(*parsed_layers)};
}

std::vector<std::string> strings_of(const json::object& object, const char* key) {
  std::vector<std::string> out;
  if (const json::array* list = array_of(object, key)) {
    for (const json::value& value : *list) {
      if (const json::string* text = value.if_string())
        out.emplace_back(text->data(), text->size());
    }
  }
  return out;
}

std::vector<std::string> sorted_keys(const json::object& object, const char* key) {
  std::vector<std::string> out;
  if (const json::object* map = object_of(object, key)) {
    for (const auto& member : *map) out.emplace_back(member.key().data(), member.key().size());
  }
  std::ranges::sort(out);
  return out;
}

// Strings end up as C strings in the runtime's hands.
bool has_nul(const ImageConfig& config) {
  const auto bad = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  return std::ranges::any_of(config.entrypoint, bad) || std::ranges::any_of(config.cmd, bad) ||
         std::ranges::any_of(config.env, bad) || std::ranges::any_of(config.volumes, bad) ||
         bad(config.user) || bad(config.working_dir) || bad(config.stop_signal);
}

ImageConfig config_of(const json::object& object) {
  ImageConfig out{.entrypoint = strings_of(object, "Entrypoint"),
                  .cmd = strings_of(object, "Cmd"),
                  .env = strings_of(object, "Env"),
                  .user = text_of(object, "User"),
                  .working_dir = text_of(object, "WorkingDir"),
                  .stop_signal = text_of(object, "StopSignal"),
                  .volumes = sorted_keys(object, "Volumes"),
                  .exposed_ports = sorted_keys(object, "ExposedPorts"),
                  .labels = {}};
  if (const json::object* labels = object_of(object, "Labels")) {
    for (const auto& member : *labels) {
      if (const json::string* text = member.value().if_string()) {
        out.labels.emplace(std::string{member.key().data(), member.key().size()},
                           std::string{text->data(), text->size()});
      }
    }
  }
  return out;
}

// How well `have` runs on `want`: 0 not at all, more is better. "v8" is what arm64 has where none
// is said.
int fit(const Platform& have, const Platform& want) {
  if (have.os != want.os || have.architecture != want.architecture) return 0;
  const auto level = [](const Platform& platform) {
    const std::string& variant = platform.variant;
    if (variant.size() == 2 && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9') {
      return variant[1] - '0';
    }
    return platform.architecture == "arm64" ? 8 : platform.architecture == "arm" ? 7 : 1;
  };
  const int have_level = level(have);
  return have_level <= level(want) ? have_level : 0;
}

}  // namespace

Platform Platform::host() {
  utsname name{};
  uname(&name);
  const std::string_view machine = name.machine;
  Platform out{.os = "linux", .architecture = std::string{machine}};
  if (machine == "x86_64") out.architecture = "amd64";
  if (machine == "aarch64") out = {"linux", "arm64", "v8"};
  if (machine == "armv7l") out = {"linux", "arm", "v7"};
  if (machine == "i686") out.architecture = "386";
  return out;
}

std::string Platform::to_string() const {
  return os + "/" + architecture + (variant.empty() ? std::string{} : "/" + variant);
}

sdk::Result<std::variant<Index, Manifest>> parse_manifest(std::string_view text,
                                                          std::string_view content_type) {
  if (text.size() > kMaxManifest) return malformed("the manifest is longer than 4 MiB");
  auto object = parse_object(text, "manifest");
  if (!object) return object.error();
  auto type = agreed_type(*object, content_type);
  if (!type) return type.error();
  const json::value* version = object->if_contains("schemaVersion");
  if (!version || !version->is_int64() || version->get_int64() != 2) {
    return sdk::fail(
        BERTH_UNIMPLEMENTED,
        "the manifest is not of schema version 2 (push the image again with a newer tool)");
  }
  if (is_index_type(*type)) {
    const json::array* list = array_of(*object, "manifests");
    if (!list) return malformed("the index has no manifests");
    auto entries = parse_descriptors(*list, "manifests");
    if (!entries) return entries.error();
    return std::variant<Index, Manifest>{Index{std::move(*entries)}};
  }
  if (!is_manifest_type(*type)) {
    return sdk::fail(BERTH_UNIMPLEMENTED, "a manifest of type " + quoted(*type) + " is not known");
  }
  auto manifest = manifest_of(*object);
  if (!manifest) return manifest.error();
  return std::variant<Index, Manifest>{std::move(*manifest)};
}

sdk::Result<Configuration> parse_configuration(std::string_view text) {
  if (text.size() > kMaxConfig) return malformed("the image's configuration is longer than 8 MiB");
  auto object = parse_object(text, "image's configuration");
  if (!object) return object.error();
  Configuration out;
  out.platform = {.os = text_of(*object, "os"),
                  .architecture = text_of(*object, "architecture"),
                  .variant = text_of(*object, "variant")};
  if (const json::object* config = object_of(*object, "config")) out.config = config_of(*config);
  if (has_nul(out.config)) return malformed("the image's configuration has a NUL in it");
  const json::object* rootfs = object_of(*object, "rootfs");
  const json::array* diff_ids = rootfs ? array_of(*rootfs, "diff_ids") : nullptr;
  if (!diff_ids) return malformed("the image's configuration has no rootfs.diff_ids");
  for (const json::value& value : *diff_ids) {
    const json::string* id = value.if_string();
    if (!id || !is_digest({id->data(), id->size()})) {
      return malformed("the image's configuration has a diff id that is no digest");
    }
    out.diff_ids.emplace_back(id->data(), id->size());
  }
  return out;
}

sdk::Result<Descriptor> choose_platform(const Index& index, const Platform& platform) {
  const Descriptor* best = nullptr;
  int best_fit = 0;
  std::string have;
  for (const Descriptor& entry : index.manifests) {
    const int now = fit(entry.platform, platform);
    if (now > best_fit) {
      best = &entry;
      best_fit = now;
    }
    // Attestations call themselves unknown/unknown.
    if (entry.platform.architecture.empty() || entry.platform.architecture == "unknown") continue;
    if (have.size() < 300) have += (have.empty() ? "" : ", ") + entry.platform.to_string();
  }
  if (best) return *best;
  return sdk::fail(BERTH_NOT_FOUND,
                   "image Manifest does not contain descriptor matching platform '" +
                       platform.to_string() + "'; it has: " + (have.empty() ? "none" : have));
}

}  // namespace berth::runtime::image
