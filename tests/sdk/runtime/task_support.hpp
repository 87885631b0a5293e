// SPDX-License-Identifier: Apache-2.0
// Builders of the task requests that the tests of tasks start from.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"

namespace berth::runtime::testing {

inline const std::string kTaskId = "0123456789abcdef0123456789abcdef";

struct Need {
  std::string on;
  std::string condition;
};

struct Box {
  std::string name;
  bool essential = true;
  std::vector<Need> needs{};
  int stop_timeout = 30;
  int start_timeout = 0;
  bool health = false;       // checked each second, UNHEALTHY after two failures
  int start_period = 0;
  int restart_period = -1;   // seconds; negative: no restart policy
};

inline v1::StartTaskRequest request_of(const std::vector<Box>& boxes, const std::string& task_id = kTaskId) {
  v1::StartTaskRequest request;
  request.set_task_id(task_id);
  request.set_node_id("node");
  request.mutable_definition()->set_family("family");
  for (const Box& box : boxes) {
    auto* container = request.mutable_definition()->add_container_definitions();
    container->set_name(box.name);
    container->set_image("registry.test/" + box.name);
    container->set_essential(box.essential);
    container->set_stop_timeout(box.stop_timeout);
    if (box.start_timeout > 0) container->set_start_timeout(box.start_timeout);
    if (box.health) {
      auto& check = *container->mutable_health_check();
      for (const char* word : {"CMD", "check"}) check.add_command(word);
      check.set_interval(1);
      check.set_retries(2);
      check.set_start_period(box.start_period);
    }
    if (box.restart_period >= 0) {
      container->mutable_restart_policy()->set_enabled(true);
      container->mutable_restart_policy()->set_restart_attempt_period(box.restart_period);
      container->mutable_restart_policy()->add_ignored_exit_codes(7);
    }
    for (const Need& need : box.needs) {
      auto* dependency = container->add_depends_on();
      dependency->set_container_name(need.on);
      dependency->set_condition(need.condition);
    }
  }
  return request;
}

}  // namespace berth::runtime::testing
