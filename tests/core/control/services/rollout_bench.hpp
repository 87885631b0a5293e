// SPDX-License-Identifier: Apache-2.0
// A service that runs, and is rolled to its next revision.
#pragma once

#include "tests/core/control/services/service_bench.hpp"

namespace berth::control {

class RolloutBench : public ServiceBench {
 protected:
  // A service of `count` tasks of web:1, COMPLETED.
  void run(int count, CreateService command) {
    open();
    command.request.set_desired_count(count);
    submit(std::move(command));
    work();
    pass(std::chrono::seconds(41));
    ASSERT_EQ(primary("web")->data.rollout(), model::StoredServiceDeployment::ROLLOUT_COMPLETED);
  }
  static CreateService with_breaker(bool rollback) {
    CreateService command = create("web", 0);
    auto& breaker =
        *command.request.mutable_deployment_configuration()->mutable_deployment_circuit_breaker();
    breaker.set_enable(true);
    breaker.set_rollback(rollback);
    return command;
  }
  AskedPtr roll(const std::string& definition = "web:2") {
    UpdateService command = update("web");
    command.request.set_task_definition(definition);
    auto asked = submit(command);
    work();
    return asked;
  }
  ServiceDeploymentPtr rollout_of(int revision) {
    ServiceDeploymentPtr found;
    for (const auto& [number, one] : core->state().deployments_of(service("web")->id)) {
      if (one->data.revision() == revision) found = one;
    }
    return found;
  }
  void set_draining(const std::string& node, bool draining = true) {
    ask(UpdateInstancesState{ClusterName("default"), {node}, draining});
  }
};

}  // namespace berth::control
