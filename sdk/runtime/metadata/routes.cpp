// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/routes.hpp"

#include <vector>

namespace berth::runtime::metadata {
namespace {

using What = Route::What;

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // a slash
    const auto end = path.find('/');
    parts.push_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
  }
  return parts;
}

Route v2_of(const std::vector<std::string_view>& parts) {
  Route route{.what = What::Nothing, .version = Version::V2, .id = {}};
  if (parts.size() < 2 || parts.size() > 3) return route;
  const bool one = parts.size() == 3;
  if (one) route.id = parts[2];
  if (parts[1] == "credentials") {
    route.what = What::Credentials;
  } else if (parts[1] == "metadata") {
    route.what = one ? What::Container : What::Task;
  } else if (parts[1] == "metadataWithTags" && !one) {
    route.what = What::TaskWithTags;
  } else if (parts[1] == "stats") {
    route.what = one ? What::ContainerStats : What::TaskStats;
  }
  return route;
}

Route by_endpoint(const std::vector<std::string_view>& parts, Version version) {
  Route route{.what = What::Nothing, .version = version, .id = {}};
  if (parts.size() < 2 || parts[1].empty()) return route;
  route.id = parts[1];
  if (parts.size() == 2) {
    route.what = What::Container;
  } else if (parts.size() == 3) {
    if (parts[2] == "task") route.what = What::Task;
    if (parts[2] == "taskWithTags") route.what = What::TaskWithTags;
    if (parts[2] == "stats") route.what = What::ContainerStats;
  } else if (parts.size() == 4 && parts[2] == "task" && parts[3] == "stats") {
    route.what = What::TaskStats;
  }
  return route;
}

}  // namespace

Route route_of(std::string_view path) {
  if (!path.starts_with('/')) return {};
  const auto parts = parts_of(path);
  if (parts.empty()) return {};
  if (parts[0] == "v2") return v2_of(parts);
  if (parts[0] == "v3") return by_endpoint(parts, Version::V3);
  if (parts[0] == "v4") return by_endpoint(parts, Version::V4);
  return {};
}

}  // namespace berth::runtime::metadata
