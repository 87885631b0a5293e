// SPDX-License-Identifier: Apache-2.0
// RegisterTaskDefinition and DeregisterTaskDefinition.
//
// Invariant: a revision number is given once, also over restarts. Threads: loop.
#pragma once

#include "core/control/desk.hpp"

namespace berth::control {

class Definitions {
 public:
  explicit Definitions(Desk& desk) : desk_(desk) {}

  void add(const RegisterTaskDefinition& command, const Reply& reply);
  void deregister(const DeregisterTaskDefinition& command, const Reply& reply);

 private:
  [[nodiscard]] Result<TaskDefinitionPtr> inactivate(const std::string& name);

  Desk& desk_;
};

}  // namespace berth::control
