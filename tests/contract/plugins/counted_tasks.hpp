// SPDX-License-Identifier: Apache-2.0
// A launch type without processes: tasks of the test plugins, ended by their image's name.
//
// "exit-N" ends at once with code N, all else runs until it is stopped.
#pragma once

#include <string>

#include "berth/launch_type.hpp"
#include "berth/task_book.hpp"

namespace berth::test {

class CountedTasks : public sdk::LaunchType {
 public:
  explicit CountedTasks(sdk::Host host) : LaunchType(host), book_(host) {}

  void start(v1::StartTaskRequest request, sdk::Completion<v1::Empty> done) override {
    const bool added = book_.add_running(request);
    done.ok();
    if (!added) return;
    for (const auto& container : request.definition().container_definitions()) {
      if (!container.image().starts_with("exit-")) continue;
      book_.container_exited(request.task_id(), container.name(),
                             std::stoi(container.image().substr(5)));
    }
  }
  void stop(v1::StopTaskRequest request, sdk::Completion<v1::Empty> done) override {
    const auto task = book_.find(request.task_id());
    if (!task) return done.fail(sdk::fail(BERTH_NOT_FOUND, "no such task"));
    done.ok();
    book_.update(request.task_id(), [&](v1::TaskReport& report) {
      report.set_phase(v1::TASK_PHASE_STOPPING);
      report.set_stop_code(v1::STOP_CODE_USER_INITIATED);
      report.set_stopped_reason(request.reason());
    });
    for (const auto& container : task->containers()) {
      book_.container_exited(request.task_id(), container.name(), 143);
    }
  }
  void list_owned(v1::ListOwnedRequest request, sdk::Completion<v1::ListOwnedResponse> done) override {
    done.ok(book_.list(request));
  }
  void recover(v1::RecoverRequest request, sdk::Completion<v1::RecoverResponse> done) override {
    done.ok(book_.recover(request));
  }
  void forget(v1::ForgetTasksRequest request, sdk::Completion<v1::Empty> done) override {
    book_.forget(request);
    done.ok();
  }

 protected:
  [[nodiscard]] v1::Node node(const std::string& id) const {
    v1::Node node;
    node.set_id(id);
    node.set_cluster(host().config().cluster());
    node.set_connected(true);
    *node.add_resources() = sdk::counter("CPU", 4096);
    *node.add_resources() = sdk::counter("MEMORY", 8192);
    return node;
  }

 private:
  sdk::TaskBook book_;
};

}  // namespace berth::test
