// SPDX-License-Identifier: Apache-2.0
// Files of environment variables by ECS's rules: "NAME=value" lines, '#' comments, nothing quoted.
//
// Threads: any; pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::runtime::secrets {

using Variables = std::vector<std::pair<std::string, std::string>>;

// As ECS's agent reads it: nothing is trimmed or unquoted, empty lines, comments and lines without
// '=' are passed over, and so are those without a name or a value. Of a name that stands there
// twice the last counts.
[[nodiscard]] Variables parse_env_file(std::string_view text);

// Of several files: the first that has a name decides.
[[nodiscard]] Variables merge_env_files(const std::vector<Variables>& files);

}  // namespace berth::runtime::secrets
