// SPDX-License-Identifier: Apache-2.0
// A launch type on the SDK with one defect switched on by the file that includes it.
#pragma once

#include <atomic>

#include "berth/plugin.hpp"
#include "tests/contract/plugins/counted_tasks.hpp"

namespace {
using namespace berth;

class Broken final : public test::CountedTasks {
 public:
  using CountedTasks::CountedTasks;

  void describe(v1::Interface& self) const override { self.add_launch_types("EXTERNAL"); }
  void activate(sdk::Completion<v1::Empty> done) override {
    inventory().set(node("node"));
#ifndef BERTH_BROKEN_INVENTORY
    inventory().publish();
#endif
    done.ok();
  }
  void plan([[maybe_unused]] v1::PlanRequest request,
            sdk::Completion<v1::PlanResponse> done) override {
    v1::PlanResponse plan;
#ifdef BERTH_BROKEN_FUTURE
    plan.mutable_requirement()->set_cpu(static_cast<std::int64_t>(request.ByteSizeLong()));
#endif
#ifdef BERTH_BROKEN_PLAN
    plan.mutable_requirement()->set_cpu(++asked_);
#endif
    done.ok(plan);
  }
#ifdef BERTH_BROKEN_STOP
  void stop(v1::StopTaskRequest, sdk::Completion<v1::Empty> done) override {
    done.ok();
  }
#endif

 private:
  std::atomic<std::int64_t> asked_ = 0;
};

constexpr sdk::About kAbout{.name = "broken", .version = "1.0.0"};

}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, Broken);
