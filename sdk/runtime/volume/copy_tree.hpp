// SPDX-License-Identifier: Apache-2.0
// Copies a directory of an image into a new volume, as it is: owners, modes, times, links, devices,
// extended attributes.
//
// Threads: any. Both sides are reached by descriptors, no link on either is followed. Errors:
// NO_CAPACITY for a full disk, INVALID for a tree that is too deep, INTERNAL the rest.
#pragma once

#include "berth/result.hpp"

namespace berth::runtime::volume {

// What is in `from` appears in `to`, an empty directory, which takes the attributes of `from` too.
[[nodiscard]] sdk::Result<void> copy_tree(int from, int to);

}  // namespace berth::runtime::volume
