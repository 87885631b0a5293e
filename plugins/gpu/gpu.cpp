// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/gpu.hpp"

#include "plugins/gpu/node_attributes.hpp"
#include "sdk/hosts/agent_plan.hpp"

namespace berth::gpu {
namespace {

constexpr const char* kLaunchType = "EC2";
constexpr std::uint16_t kPort = 5083;

}  // namespace

Gpu::Gpu(sdk::Host host) : AgentLaunchType(host, {.launch_type = kLaunchType, .port = kPort}) {}

Gpu::~Gpu() {
  close();
}

void Gpu::describe(v1::Interface& self) const {
  self.add_launch_types(kLaunchType);
}

void Gpu::plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) {
  done.ok(hosts::plan_for_instances(request, kLaunchType));
}

void Gpu::adapt(v1::Node& node) {
  add_gpu_attributes(node);
}

}  // namespace berth::gpu
