// SPDX-License-Identifier: Apache-2.0
// Which role a task has, for the plugin that runs it and nobody else; and whose credentials a node
// may pull with.
//
// Threads: loop. Errors: NotFound, whatever does not fit, so that nothing is told of other tasks.
#pragma once

#include <string>

#include "berth/v1/credentials.pb.h"
#include "berth/v1/registry.pb.h"
#include "core/control/state.hpp"
#include "core/model/error.hpp"

namespace berth::daemon {

[[nodiscard]] Result<std::string> role_of(const control::State& state, const PluginName& plugin,
                                          const v1::TaskCredentialsRequest& request);

// Whether the image's name leads to this registry.
[[nodiscard]] bool is_from(const std::string& image, const std::string& registry);

// A node that was taken over must not get at credentials that none of its tasks uses, nor have them
// sent to another registry. Errors: Denied.
[[nodiscard]] Result<void> may_pull(const control::State& state, const PluginName& plugin,
                                    const v1::AuthorizeRequest& request);

}  // namespace berth::daemon
