// SPDX-License-Identifier: Apache-2.0
// A plugin that shows none of its nodes, and has two capacity providers: tasks of one give way.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/core/control/bench.hpp"

namespace berth::control {

class PoolBench : public Bench {
 protected:
  static LaunchPlugin pool() {
    return {PluginName("ec2"), {"FARGATE"}, {"FARGATE", "FARGATE_SPOT"}, true, {"FARGATE_SPOT"}};
  }
  static v1::Node zoned(const std::string& id, const std::string& zone, std::int64_t cpu = 1024) {
    v1::Node out = node(id, cpu, 8192);
    out.add_attributes()->set_name("ecs.availability-zone");
    out.mutable_attributes(0)->set_value(zone);
    return out;
  }
  void open(std::vector<v1::Node> nodes) {
    core->plugin_up(pool());
    snapshot(std::move(nodes));
    settle();
    answer(v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedResponse());
    RegisterTaskDefinition command = definition();
    command.compatibilities = {"EC2", "FARGATE"};
    ask(command);
  }
  static RunTask on_pool(int count = 1) {
    RunTask command = run_task(count);
    command.request.set_launch_type("FARGATE");
    return command;
  }
  RunTaskAnswer ran(RunTask command, std::int64_t cpu = 256) {
    auto asked = ask(std::move(command));
    while (!asked->done() && plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan(cpu, 512);
    EXPECT_TRUE(*asked->answer) << asked->error().message;
    return asked->as<RunTaskAnswer>();
  }
};

}  // namespace berth::control
