// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/cni/conf_list.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace berth::runtime::cni {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxPlugins = 32;

sdk::Error invalid(const std::string& where, const std::string& why) {
  return sdk::fail(BERTH_INVALID, where + ": " + why, "cni");
}

// CNI's own rule for names of networks.
bool is_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 200 && plain(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return plain(c) || c == '_' || c == '.' || c == '-'; });
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

sdk::Result<json::object> parse_object(std::string_view text, const std::string& where,
                                       Bounds bounds) {
  if (text.size() > bounds.bytes) {
    return invalid(where, "more than " + std::to_string(bounds.bytes >> 10) + " KiB");
  }
  json::parse_options options;
  options.max_depth = bounds.depth;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  const bool trailing = !error && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos;
  if (!error && !trailing) parser.finish(error);
  if (error || trailing) {
    const auto before = text.substr(0, std::min(read, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto start = before.rfind('\n');
    const auto column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
    return invalid(where + ":" + std::to_string(line) + ":" + std::to_string(column),
                   error ? error.message() : "something follows the JSON");
  }
  auto value = parser.release();
  if (!value.is_object()) return invalid(where, "is no JSON object");
  return std::move(value.get_object());
}

bool Plugin::takes(std::string_view capability) const {
  const auto* all = config.if_contains("capabilities");
  const auto* one = all && all->is_object() ? all->get_object().if_contains(capability) : nullptr;
  return one && one->is_bool() && one->get_bool();
}

bool ConfList::takes(std::string_view capability) const {
  return std::any_of(plugins.begin(), plugins.end(),
                     [&](const Plugin& plugin) { return plugin.takes(capability); });
}

std::string ConfList::print() const {
  json::array all;
  for (const Plugin& plugin : plugins) all.push_back(plugin.config);
  return json::serialize(json::object{{"cniVersion", version},
                                      {"name", name},
                                      {"disableCheck", disable_check},
                                      {"plugins", std::move(all)}});
}

sdk::Result<ConfList> parse_list(std::string_view text, const std::string& where, Bounds bounds) {
  auto root = parse_object(text, where, bounds);
  if (!root) return root.error();
  ConfList out;
  out.name = text_of(*root, "name");
  if (!is_name(out.name)) {
    return invalid(where, "name must be letters, digits, '_', '.' and '-', and begin with one");
  }
  out.version = text_of(*root, "cniVersion");
  if (out.version != "0.4.0" && out.version != "1.0.0") {
    return invalid(where, "cniVersion '" + out.version + "' is neither 0.4.0 nor 1.0.0");
  }
  if (const auto* check = root->if_contains("disableCheck")) {
    if (!check->is_bool()) return invalid(where, "disableCheck must be true or false");
    out.disable_check = check->get_bool();
  }
  const auto* plugins = root->if_contains("plugins");
  if (!plugins || !plugins->is_array() || plugins->get_array().empty() ||
      plugins->get_array().size() > kMaxPlugins) {
    return invalid(where, "plugins must be a list of 1 to 32 plugins");
  }
  for (auto& one : plugins->get_array()) {
    const std::string at = "plugins[" + std::to_string(out.plugins.size()) + "]";
    if (!one.is_object()) return invalid(where, at + " must be an object");
    Plugin plugin{.type = text_of(one.get_object(), "type"), .config = one.get_object()};
    // It becomes a path below the directories of plugins.
    if (!is_name(plugin.type)) return invalid(where, at + ".type must be the name of a program");
    out.plugins.push_back(std::move(plugin));
  }
  return out;
}

sdk::Result<ConfList> read_list(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return sdk::fail(BERTH_NOT_FOUND, file.string() + ": " + std::strerror(errno), "cni");
  }
  std::string text(kOthers.bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse_list(text, file.string());
}

}  // namespace berth::runtime::cni
