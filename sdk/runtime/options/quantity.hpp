// SPDX-License-Identifier: Apache-2.0
// Amounts of CPU and memory as a task definition writes them.
//
// Threads: any; pure. Errors: nothing where the text is no amount.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::runtime::options {

// "1024", "1 vCPU", "0.5 vcpu": units of which 1024 are one vCPU.
[[nodiscard]] std::optional<std::int64_t> read_cpu(std::string_view text);

// "512", "512 MB", "0.5 GB": MiB.
[[nodiscard]] std::optional<std::int64_t> read_memory_mib(std::string_view text);

}  // namespace berth::runtime::options
