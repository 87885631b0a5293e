// SPDX-License-Identifier: Apache-2.0
// The symbols that a shared object shows to the dynamic linker. The file is not trusted.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::check {

// Names of the defined global and weak symbols, in the file's order. Errors: Invalid, for what is
// no 64-bit ELF file.
[[nodiscard]] sdk::Result<std::vector<std::string>> exported_symbols(
    const std::filesystem::path& file);

}  // namespace berth::check
