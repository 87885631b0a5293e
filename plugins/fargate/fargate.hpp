// SPDX-License-Identifier: Apache-2.0
// The launch type FARGATE: tasks in a pool of hosts that nobody sees.
//
// Threads: any.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "plugins/fargate/pools.hpp"
#include "sdk/hosts/agent_launch_type.hpp"

namespace berth::fargate {

class Fargate final : public hosts::AgentLaunchType {
 public:
  explicit Fargate(sdk::Host host);
  ~Fargate() override;

  void describe(v1::Interface& self) const override;
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override;

 protected:
  // A host that is not fit for its pool is one that nothing is placed on.
  void adapt(v1::Node& node) override;

 private:
  const Pools pools_;
  std::mutex mutex_;
  std::map<std::string, std::string> complaints_;  // by node, each said once
};

}  // namespace berth::fargate
