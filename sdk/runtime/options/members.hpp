// SPDX-License-Identifier: Apache-2.0
// How members of a task definition are named in refusals; for options/*.cpp only.
#pragma once

#include <string>
#include <string_view>

#include "berth/result.hpp"

namespace berth::runtime::options {

[[nodiscard]] inline std::string at(std::string_view list, int index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}
[[nodiscard]] inline std::string of_container(int index, std::string_view member) {
  return at("containerDefinitions", index) + "." + std::string(member);
}
[[nodiscard]] inline sdk::Error wrong(std::string field, const std::string& why) {
  return sdk::fail(BERTH_INVALID, why, std::move(field));
}
[[nodiscard]] inline sdk::Error unsupported(std::string field, const std::string& why) {
  auto message = field + ": " + why;
  return sdk::fail(BERTH_UNIMPLEMENTED, std::move(message), std::move(field));
}

// An absolute path that climbs nowhere and fits on one line; "/" alone is one too.
[[nodiscard]] inline bool is_plain_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() > 4000) return false;
  if (path.find_first_of(std::string_view("\0\n\r", 3)) != std::string_view::npos) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto part = path.substr(0, path.find('/'));
    if (part == "..") return false;
    path.remove_prefix(part.size());
  }
  return true;
}

}  // namespace berth::runtime::options
