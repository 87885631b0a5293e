// SPDX-License-Identifier: Apache-2.0
// OCI runtimes as programs: where they are, which version, how they are called.
//
// Threads: any; program_version runs the program.
#pragma once

#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime {

// A name in PATH, or a path, as an absolute path. Errors: NOT_FOUND.
[[nodiscard]] sdk::Result<std::string> find_program(const std::string& name);

// "crun 1.8.1". Errors: INTERNAL it does not answer --version.
[[nodiscard]] sdk::Result<std::string> program_version(const std::string& path);

// Words before the runtime's command.
[[nodiscard]] std::vector<std::string> runtime_command(const std::string& path,
                                                       const std::string& root);

}  // namespace berth::runtime
