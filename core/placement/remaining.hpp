// SPDX-License-Identifier: Apache-2.0
// What is left of a node, in the words of the engine's surface.
//
// Threads: one at a time with whatever changes the books.
#pragma once

#include <cstdint>

#include "core/placement/books.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

// Requires: the node is live.
[[nodiscard]] Remaining remaining_of(const Books& books, std::uint32_t node);

}  // namespace berth::placement
