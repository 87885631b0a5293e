// SPDX-License-Identifier: Apache-2.0
// Keeps a store file to one process.
#pragma once

#include <filesystem>

#include "core/model/error.hpp"

namespace berth::store {

// Locks "FILE.lock" (made where missing, never removed) and writes our pid into it. The lock ends
// when the returned descriptor is closed, also by the death of the process. Errors: NotFound
// without a directory, Denied where it is not writable, Unavailable where another holds it.
[[nodiscard]] Result<int> lock_beside(const std::filesystem::path& file);

}  // namespace berth::store
