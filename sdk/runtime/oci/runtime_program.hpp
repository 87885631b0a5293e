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

// Whether it runs commands in containers with a user namespace whose network is the host's to make:
// runc does from 1.3 on (opencontainers/runc#4492). `version` as program_version gives it.
[[nodiscard]] bool enters_user_namespaces(const std::string& version);

// Runtimes that differ from runc in how they are to be called, told by the program's file name.
enum class RuntimeKind {
  Plain,    // runc, and all that are called as it is
  Crun,     // the monitor may let its program go, and clean up after it, by itself
  Sandbox,  // runsc: its processes are not the host's, but within one process of the host
};
[[nodiscard]] RuntimeKind runtime_kind(const std::string& path);

// Words before the runtime's command; `own` are the operator's.
[[nodiscard]] std::vector<std::string> runtime_command(const std::string& path,
                                                       const std::string& root,
                                                       const std::vector<std::string>& own);

// Whether the operator may give these words: options, none of them what the agent sets itself.
// Errors: INVALID names the one at fault.
[[nodiscard]] sdk::Result<void> check_runtime_options(const std::vector<std::string>& words);

}  // namespace berth::runtime
