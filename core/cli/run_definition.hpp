// SPDX-License-Identifier: Apache-2.0
// The task definition that `berth run IMAGE` stands for.
#pragma once

#include <boost/json.hpp>

#include "core/cli/commands.hpp"

namespace berth::cli {

// Input of RegisterTaskDefinition. Its family is named after the image and the content, so that the same
// run registers nothing twice. Errors: Invalid, for a malformed option; it is named.
[[nodiscard]] Result<boost::json::object> definition_for(const RunOptions& options);

}  // namespace berth::cli
