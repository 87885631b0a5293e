// SPDX-License-Identifier: Apache-2.0
// A test plugin: what the agent refuses of a task, told as a plan, so that it can be held against the ec2 plugin's.
#include "berth/plugin.hpp"
#include "sdk/runtime/task/task_limits.hpp"
#include "sdk/runtime/task/task_plan.hpp"
#include "tests/contract/plugins/counted_tasks.hpp"

namespace {
using namespace berth;

class AgentCheck final : public test::CountedTasks {
 public:
  using CountedTasks::CountedTasks;

  void describe(v1::Interface& self) const override { self.add_launch_types("EC2"); }
  void activate(sdk::Completion<v1::Empty> done) override { done.ok(); }
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override {
    v1::StartTaskRequest task;
    *task.mutable_definition() = std::move(*request.mutable_definition());
    *task.mutable_overrides() = std::move(*request.mutable_overrides());
    v1::PlanResponse response;
    const auto refuse = [&response](const sdk::Error& error) {
      auto& refusal = *response.add_refusals();
      refusal.set_member(error.field);
      refusal.set_message(error.message);
      refusal.set_error(error.status == BERTH_UNIMPLEMENTED ? v1::Refusal::ERROR_UNSUPPORTED_FEATURE
                                                            : v1::Refusal::ERROR_CLIENT);
    };
    // In the order in which the agent looks at a task; it tells the first.
    if (auto read = runtime::plan_task(task, {}); !read) {
      refuse(read.error());
    } else if (auto fine = runtime::check_supported(task); !fine) {
      refuse(fine.error());
    }
    done.ok(response);
  }
};

constexpr sdk::About kAbout{.name = "agent-check", .version = "1.0.0", .license = "Apache-2.0"};

}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, AgentCheck);
