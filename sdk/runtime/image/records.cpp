// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/records.hpp"

#include <boost/json.hpp>

#include "sdk/runtime/image/digest.hpp"
#include "sdk/runtime/image/reference.hpp"

namespace berth::runtime::image {
namespace {

namespace json = boost::json;
constexpr std::int64_t kVersion = 1;

json::object platform_json(const Platform& platform) {
  return {
      {"os", platform.os}, {"architecture", platform.architecture}, {"variant", platform.variant}};
}

std::string text_of(const json::value& value) {
  const json::string& text = value.as_string();
  return {text.data(), text.size()};
}

// Throws where a member is absent or of another type: caught once, in decode.
template <typename Record, typename Read>
sdk::Result<Record> decode(std::string_view text, Read read) {
  try {
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // file names are bytes
    const json::value value = json::parse({text.data(), text.size()}, {}, options);
    const json::object& object = value.as_object();
    if (object.at("version").to_number<std::int64_t>() != kVersion) {
      return sdk::fail(BERTH_PRECONDITION, "the record was written by another version of Berth");
    }
    Record out;
    read(object, out);
    return out;
  } catch (const std::exception& error) {
    return sdk::fail(BERTH_INVALID, std::string{"the record is damaged: "} + error.what());
  }
}

}  // namespace

std::string encode(const ImageRecord& record) {
  json::array layers(record.layers.begin(), record.layers.end());
  json::array directories;
  for (const DirectoryAttributes& one : record.directories) {
    directories.push_back(
        {{"path", one.path}, {"mode", one.mode}, {"uid", one.uid}, {"gid", one.gid}});
  }
  return json::serialize(json::object{{"version", kVersion},
                                      {"reference", record.reference},
                                      {"repository", record.repository},
                                      {"platform", platform_json(record.platform)},
                                      {"digest", record.digest},
                                      {"manifest_digest", record.manifest_digest},
                                      {"config_digest", record.config_digest},
                                      {"config", record.config},
                                      {"layers", std::move(layers)},
                                      {"directories", std::move(directories)},
                                      {"unpacked_bytes", record.unpacked_bytes},
                                      {"pulled_at", record.pulled_at}});
}

std::string encode(const LayerRecord& record) {
  json::array implied(record.implied.begin(), record.implied.end());
  return json::serialize(json::object{{"version", kVersion},
                                      {"bytes", record.bytes},
                                      {"opaque", record.opaque},
                                      {"implied", std::move(implied)},
                                      {"boot", record.boot}});
}

sdk::Result<ImageRecord> decode_image(std::string_view text) {
  auto record = decode<ImageRecord>(text, [](const json::object& from, ImageRecord& to) {
    to.reference = text_of(from.at("reference"));
    to.repository = text_of(from.at("repository"));
    const json::object& platform = from.at("platform").as_object();
    to.platform = {text_of(platform.at("os")), text_of(platform.at("architecture")),
                   text_of(platform.at("variant"))};
    to.digest = text_of(from.at("digest"));
    to.manifest_digest = text_of(from.at("manifest_digest"));
    to.config_digest = text_of(from.at("config_digest"));
    to.config = text_of(from.at("config"));
    for (const json::value& layer : from.at("layers").as_array()) {
      to.layers.push_back(text_of(layer));
    }
    for (const json::value& value : from.at("directories").as_array()) {
      const json::object& one = value.as_object();
      to.directories.push_back({text_of(one.at("path")), one.at("mode").to_number<std::uint32_t>(),
                                one.at("uid").to_number<std::uint32_t>(),
                                one.at("gid").to_number<std::uint32_t>()});
    }
    to.unpacked_bytes = from.at("unpacked_bytes").to_number<std::uint64_t>();
    to.pulled_at = from.at("pulled_at").to_number<std::int64_t>();
  });
  if (!record) return record;
  // Layers' names become paths.
  for (const std::string& layer : record->layers) {
    if (!is_digest(layer))
      return sdk::fail(BERTH_INVALID, "the record names a layer that is no digest");
  }
  if (digest_of(record->config, record->config_digest) != record->config_digest) {
    return sdk::fail(BERTH_INVALID, "the record's configuration is damaged");
  }
  return record;
}

sdk::Result<LayerRecord> decode_layer(std::string_view text) {
  return decode<LayerRecord>(text, [](const json::object& from, LayerRecord& to) {
    to.bytes = from.at("bytes").to_number<std::uint64_t>();
    to.opaque = from.at("opaque").as_bool();
    for (const json::value& path : from.at("implied").as_array()) to.implied.insert(text_of(path));
    to.boot = text_of(from.at("boot"));
  });
}

}  // namespace berth::runtime::image
