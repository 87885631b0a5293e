// SPDX-License-Identifier: Apache-2.0
// Credentials of tasks' roles by asking the control plane, over the agent's connection.
//
// Threads: any.
#pragma once

#include <chrono>

#include "sdk/runtime/roles/roles.hpp"

namespace berth::fleet {
class Client;
}

namespace berth::runtime {

// The client must outlive the last question. A question is answered after `patience` at the latest,
// and when the client ends.
[[nodiscard]] Roles::Source ask_for_roles(fleet::Client& client,
                                          std::chrono::milliseconds patience);

}  // namespace berth::runtime
