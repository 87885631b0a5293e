// SPDX-License-Identifier: Apache-2.0
// Small files and directories of tasks.
//
// Threads: any. Errors: INTERNAL with the path and why.
#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "berth/result.hpp"

namespace berth::runtime {

// Replaces what is there; mode 0644.
[[nodiscard]] inline sdk::Result<void> write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  const int why = errno;
  if (!file) return sdk::fail(BERTH_INTERNAL, "cannot write " + path.string() + ": " + std::strerror(why));
  std::error_code error;
  std::filesystem::permissions(path, std::filesystem::perms{0644}, error);
  return {};
}

// With those above it.
[[nodiscard]] inline sdk::Result<void> make_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return sdk::fail(BERTH_INTERNAL, "cannot make " + path.string() + ": " + error.message());
  return {};
}

}  // namespace berth::runtime
