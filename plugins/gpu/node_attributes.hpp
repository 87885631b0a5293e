// SPDX-License-Identifier: Apache-2.0
// What a node's GPUs are, as attributes: for placement constraints and for people.
//
// Threads: any; pure.
#pragma once

#include "berth/v1/launch.pb.h"

namespace berth::gpu {

// Adds to a node that offers devices of type GPU: berth.gpu-model, berth.gpu-memory-mib (of the
// smallest), berth.gpu-vendor, berth.gpu-driver and ecs.capability.gpu-driver-version, where its
// devices have one in common; berth.gpu-count. Those that the operator gave stay.
void add_gpu_attributes(v1::Node& node);

}  // namespace berth::gpu
