// SPDX-License-Identifier: Apache-2.0
// Which CDI device a device of NVML is.
//
// Threads: any; a pure function.
#pragma once

#include <string>

#include "berth/result.hpp"
#include "sdk/cdi/catalog.hpp"

namespace berth::gpu {

// Its qualified name: by UUID, by /dev/nvidia<minor>, or by index where no such nodes are used.
// Errors: PRECONDITION, with what to do.
[[nodiscard]] sdk::Result<std::string> nvidia_name(const cdi::Catalog& catalog,
                                                   const std::string& kind, const std::string& uuid,
                                                   unsigned index, unsigned minor);

}  // namespace berth::gpu
