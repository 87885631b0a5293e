// SPDX-License-Identifier: Apache-2.0
// Small files that are there whole or not at all, whatever dies when.
//
// Threads: any, one at a time for each path. Errors: NOT_FOUND, INTERNAL with the path and what the system says.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "berth/result.hpp"

namespace berth::fleet {

// Writes `content` beside `path`, syncs it, renames it to `path`, syncs the directory.
sdk::Result<void> write_durably(const std::filesystem::path& path, std::string_view content, mode_t mode);

// Errors: INVALID for more than `limit` bytes.
sdk::Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t limit = 1 << 20);

// Removes it, and syncs the directory; an absent one is fine.
sdk::Result<void> remove_durably(const std::filesystem::path& path);

// Makes a directory of mode 0700 and what leads to it.
sdk::Result<void> make_private_directory(const std::filesystem::path& path);

}  // namespace berth::fleet
