// SPDX-License-Identifier: Apache-2.0
// The plugin: its roles behind the contract.
#include "berth/plugin.hpp"
#include "plugins/gpu/devices/host_role.hpp"
#include "plugins/gpu/gpu.hpp"

namespace berth::gpu {
namespace {

constexpr sdk::About kAbout{
    .name = "gpu", .version = "0.1.0", .vendor = "Berth", .license = "Apache-2.0", .url = ""};

}  // namespace
}  // namespace berth::gpu

BERTH_EXPORT_PLUGIN(berth::gpu::kAbout, berth::gpu::Gpu, berth::gpu::Devices);
