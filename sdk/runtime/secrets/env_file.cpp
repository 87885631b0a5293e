// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/secrets/env_file.hpp"

#include <map>
#include <set>

namespace berth::runtime::secrets {

Variables parse_env_file(std::string_view text) {
  Variables out;
  std::map<std::string, std::size_t, std::less<>> place;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    // What cannot be in an environment is not put there.
    if (name.empty() || value.empty() || line.find('\0') != std::string_view::npos) continue;
    const auto [at, is_new] = place.emplace(name, out.size());
    if (is_new) {
      out.emplace_back(name, value);
    } else {
      out[at->second].second = value;
    }
  }
  return out;
}

Variables merge_env_files(const std::vector<Variables>& files) {
  Variables out;
  std::set<std::string> seen;
  for (const auto& file : files) {
    for (const auto& variable : file) {
      if (seen.insert(variable.first).second) out.push_back(variable);
    }
  }
  return out;
}

}  // namespace berth::runtime::secrets
