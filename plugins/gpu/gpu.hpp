// SPDX-License-Identifier: Apache-2.0
// The control-plane role: the launch type EC2 on hosts that have GPUs, each a container instance
// whose agent tells its devices.
//
// Threads: any.
#pragma once

#include "sdk/hosts/agent_launch_type.hpp"

namespace berth::gpu {

class Gpu final : public hosts::AgentLaunchType {
 public:
  explicit Gpu(sdk::Host host);
  ~Gpu() override;

  void describe(v1::Interface& self) const override;
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override;

 protected:
  void adapt(v1::Node& node) override;
};

}  // namespace berth::gpu
