// SPDX-License-Identifier: Apache-2.0
// YAML as the values that JSON has: what tools of vendors write into CDI directories.
//
// Threads: any; a pure function of a stranger's text. Aliases, several documents and keys that are
// no scalars are refused. Plain scalars are null, booleans and integers as YAML has them, and
// strings otherwise.
#pragma once

#include <boost/json.hpp>
#include <string_view>

#include "berth/result.hpp"

namespace berth::cdi {

// Errors: INVALID, with the line.
[[nodiscard]] sdk::Result<boost::json::value> parse_yaml(std::string_view text);

}  // namespace berth::cdi
