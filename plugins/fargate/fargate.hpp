// SPDX-License-Identifier: Apache-2.0
// The launch type FARGATE: tasks in a pool of hosts that nobody sees.
//
// Threads: any.
#pragma once

#include "sdk/hosts/agent_launch_type.hpp"

namespace berth::fargate {

class Fargate final : public hosts::AgentLaunchType {
 public:
  explicit Fargate(sdk::Host host);

  void describe(v1::Interface& self) const override;
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override;
};

}  // namespace berth::fargate
