// SPDX-License-Identifier: Apache-2.0
// How a container is edited to have the devices that its task was given.
//
// Threads: any; looks at device nodes of the host.
#pragma once

#include "berth/result.hpp"
#include "berth/v1/host.pb.h"
#include "plugins/gpu/devices/device_list.hpp"
#include "sdk/cdi/catalog.hpp"

namespace berth::gpu {

// The edits of exactly these devices, and of the files that describe them once. Errors: NOT_FOUND
// for a device that this host does not have; PRECONDITION for one that is not healthy or that
// nothing can inject, with the reason.
[[nodiscard]] sdk::Result<v1::OciEdits> prepare(const v1::PrepareRequest& request,
                                                const DeviceList& list,
                                                const cdi::Catalog& catalog);

}  // namespace berth::gpu
