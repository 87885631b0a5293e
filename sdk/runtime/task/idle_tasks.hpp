// SPDX-License-Identifier: Apache-2.0
// The tasks in a data directory that no agent uses any more.
//
// Threads: one at a time. Errors: PRECONDITION while an agent uses the directory, or a program of a
// task runs: then nothing is changed; those of TaskStore.
#pragma once

#include <cstddef>
#include <filesystem>

#include "berth/result.hpp"

namespace berth::runtime {

// Notes of each task that it is to stop, so whoever opens the directory begins nothing of it and
// takes the rest away. Gives how many there are that have not stopped yet. A task of which nothing
// runs has ended whatever its record says: its containers went while nobody looked, with the
// machine or by hand.
[[nodiscard]] sdk::Result<std::size_t> stop_idle_tasks(const std::filesystem::path& data_dir);

}  // namespace berth::runtime
