// SPDX-License-Identifier: Apache-2.0
// Tasks of one image on this very host, for tests that look at what their programs see. Needs root.
//
// Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/sdk/runtime/task_host_support.hpp"
#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime::testing {

class RunningTasks : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  static void SetUpTestSuite() { registry_ = new Registry(BERTH_TEST_REGISTRY); }
  static void TearDownTestSuite() {
    delete registry_;
    registry_ = nullptr;
  }
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "needs root";
    ASSERT_TRUE(registry_->works()) << "no registry";
    access_ = std::make_unique<PlainAccess>(registry_->url());
    open();
  }
  void TearDown() override {
    if (tasks_) {
      for (const auto& report : tasks_->list()) stop(report.task_id());
      for (const auto& report : tasks_->list())
        EXPECT_TRUE(reached(v1::TASK_PHASE_STOPPED, report.task_id()));
    }
    EXPECT_EQ(place_.leftovers(), std::vector<std::string>{});
    tasks_.reset();
  }

  // What the tests set before, for the next open().
  virtual TasksConfig config() { return place_.config(); }
  virtual Roles::Source source() { return {}; }

  void open() {
    auto tasks = Tasks::open(config(), {.report =
                                            [this](const v1::TaskReport& report) {
                                              const std::lock_guard lock(mutex_);
                                              reports_[report.task_id()].push_back(report);
                                              moved_.notify_all();
                                            },
                                        .registry = *access_,
                                        .credentials = source()});
    ASSERT_TRUE(tasks) << tasks.error().message;
    tasks_ = std::move(*tasks);
  }
  // As after a crash of the agent.
  void open_again() {
    tasks_.reset();
    open();
  }

  // One container "main" that runs a script.
  static v1::StartTaskRequest script(const std::string& text, const std::string& id = kTaskId) {
    auto out = request_of({{.name = "main", .stop_timeout = 1}}, id);
    out.set_task_arn("arn:aws:ecs:us-east-1:000000000000:task/default/" + id);
    out.set_cluster("default");
    out.set_launch_type("EC2");
    out.mutable_definition()->set_revision(3);
    auto& main = *out.mutable_definition()->mutable_container_definitions(0);
    main.set_image(registry_->image());
    main.set_memory(64);
    for (const char* word : {"/bin/sh", "-c", text.c_str()}) main.add_command(word);
    return out;
  }
  static v1::ecs::ContainerDefinition& main_of(v1::StartTaskRequest& request) {
    return *request.mutable_definition()->mutable_container_definitions(0);
  }

  std::optional<v1::TaskReport> reached(v1::TaskPhase phase, const std::string& id = kTaskId) {
    std::unique_lock lock(mutex_);
    std::optional<v1::TaskReport> found;
    moved_.wait_for(lock, kPatience, [&] {
      for (const auto& report : reports_[id]) {
        if (report.phase() < phase) continue;
        found = report;
        return true;
      }
      return false;
    });
    return found;
  }
  v1::TaskReport run_to_end(const v1::StartTaskRequest& request) {
    auto started = tasks_->start(request);
    EXPECT_TRUE(started) << started.error().message;
    return reached(v1::TASK_PHASE_STOPPED, request.task_id()).value_or(v1::TaskReport{});
  }
  void stop(const std::string& id) {
    v1::StopTaskRequest request;
    request.set_task_id(id);
    request.set_force(true);
    EXPECT_TRUE(tasks_->stop(request));
  }
  // All it has written so far, lines joined.
  std::string output(const std::string& id = kTaskId) {
    v1::LogsRequest request;
    request.set_task_id(id);
    std::string text;
    const auto take = [&](const v1::LogRecord& record) {
      text += record.data() + (record.partial() ? "" : "\n");
      return true;
    };
    EXPECT_TRUE(tasks_->logs(request, take, {}));
    return text;
  }
  // Follows its output until a line of that text; false: it ended before.
  bool says(const std::string& line, const std::string& id = kTaskId) {
    v1::LogsRequest request;
    request.set_task_id(id);
    request.set_follow(true);
    bool seen = false;
    EXPECT_TRUE(tasks_->logs(
        request, [&](const v1::LogRecord& record) { return !(seen = record.data() == line); }, {}));
    return seen;
  }

  static inline Registry* registry_ = nullptr;
  Place place_{"running", BERTH_TEST_MONITOR};
  std::unique_ptr<PlainAccess> access_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::map<std::string, std::vector<v1::TaskReport>> reports_;
  std::unique_ptr<Tasks> tasks_;
};

}  // namespace berth::runtime::testing
