// SPDX-License-Identifier: Apache-2.0
// What a plugin wants an operator to read about a node, as one line of the log.
#pragma once

#include <string>
#include <string_view>

namespace berth::daemon {

// Of a NodeNotice's bytes: "node NAME: MESSAGE", each at most 1,024 bytes of what was said, control
// characters as '?', so that no plugin can forge lines; words of its own where the bytes are no
// NodeNotice.
[[nodiscard]] std::string notice_line(std::string_view payload);

}  // namespace berth::daemon
