// SPDX-License-Identifier: Apache-2.0
// NVIDIA's management library, opened at run time.
//
// Never closed: a call may hang in it for ever. Threads: as NVML.
#pragma once

#include <memory>
#include <string>

#include "berth/result.hpp"
#include "plugins/gpu/devices/nvml_interface.hpp"

namespace berth::gpu::nvml {

// `name` is what dlopen takes. Errors: NOT_FOUND where there is no such library, INVALID where it
// lacks a function that is needed, which is named.
[[nodiscard]] sdk::Result<Functions> open_library(const std::string& name);

}  // namespace berth::gpu::nvml
