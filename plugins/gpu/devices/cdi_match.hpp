// SPDX-License-Identifier: Apache-2.0
// Which CDI device is which piece of hardware: tools name the same one by number, by UUID, and with
// others as "all".
//
// Threads: any; pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "plugins/gpu/devices/cdi_catalog.hpp"

namespace berth::gpu::cdi {

// What Berth cannot do of what the device needs; empty where it can do all of it.
[[nodiscard]] std::string missing_support(const Entry& entry);

// The qualified name of a device of NVML: by UUID, by /dev/nvidia<minor>, or by index where no such
// nodes are used. Errors: PRECONDITION, with what to do.
[[nodiscard]] sdk::Result<std::string> nvidia_name(const Catalog& catalog, const std::string& kind,
                                                   const std::string& uuid, unsigned index,
                                                   unsigned minor);

// The qualified name of the one device of the kind that has the node, by its path on the host or in
// the container, and no others' such nodes.
[[nodiscard]] std::optional<std::string> name_by_node(const Catalog& catalog,
                                                      const std::string& kind,
                                                      const std::string& node);

// Without second names of the same hardware, and without names of several at once.
[[nodiscard]] std::vector<const Entry*> distinct(const std::vector<const Entry*>& entries);

}  // namespace berth::gpu::cdi
