// SPDX-License-Identifier: Apache-2.0
// The networks of tasks (network mode awsvpc): what a call may name, and which task has which
// address.
//
// Invariants: 1. An address belongs to one task until that task is STOPPED; the task's record holds
// it, so both are durable at once. 2. The same records and calls in the same order give the same
// addresses. Threads: loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/control/addresses.hpp"
#include "core/control/desk.hpp"

namespace berth::control {

class Networks {
 public:
  // Subnets and groups are those of the desk's configuration.
  explicit Networks(Desk& desk);

  // Takes the addresses of the records.
  void restore();

  // Whether the call's networkConfiguration fits the definition and names what there is; gives the
  // zones in which its tasks may run, none where it does not say. Errors: Invalid of
  // Subject::Request, in ECS's words.
  [[nodiscard]] Result<std::vector<std::string>> check(const TaskDefinition& definition,
                                                       const model::RunTaskRequest& request) const;

  // An interface for a task in this zone, in the first subnet that has an address left.
  // Requires: check() was content. Errors: NoCapacity, with a sentence.
  [[nodiscard]] Result<v1::TaskInterface> take(const ecs::NetworkConfiguration& configuration,
                                               const std::string& zone);
  // Its task has ended.
  void give_back(const v1::TaskInterface& of);

 private:
  struct Subnet {
    SubnetConfig config;
    Addresses addresses;
  };
  [[nodiscard]] v1::TaskInterface make(const Subnet& subnet, std::uint32_t address,
                                       const ecs::AwsVpcConfiguration& asked);
  [[nodiscard]] const v1::SecurityGroup* group(const std::string& id) const;

  Desk& desk_;
  std::map<std::string, Subnet> subnets_;
};

}  // namespace berth::control
