// SPDX-License-Identifier: Apache-2.0
// The launch type EC2: tasks on the operator's own hosts, each a container instance.
//
// Threads: any.
#pragma once

#include "sdk/hosts/agent_launch_type.hpp"

namespace berth::ec2 {

class Ec2 final : public hosts::AgentLaunchType {
 public:
  explicit Ec2(sdk::Host host);

  void describe(v1::Interface& self) const override;
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override;
};

}  // namespace berth::ec2
