// SPDX-License-Identifier: Apache-2.0
// Tasks on this very host, for tests: a real registry, a real OCI runtime, real namespaces. Needs root.
//
// Threads: one at a time.
#pragma once

#include <gmock/gmock.h>
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

inline constexpr std::chrono::seconds kPatience{30};

class TasksOnHost : public ::testing::Test {
 protected:
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
      for (const auto& report : tasks_->list()) stop(report.task_id(), true);
      for (const auto& report : tasks_->list()) EXPECT_TRUE(stopped(report.task_id())) << report.task_id();
    }
    EXPECT_THAT(place_.leftovers(), ::testing::IsEmpty());
    tasks_.reset();
  }
  virtual TasksConfig config() { return place_.config(); }
  void open() {
    auto tasks = Tasks::open(config(), {.report = [this](const v1::TaskReport& report) {
                                          const std::lock_guard lock(mutex_);
                                          reports_[report.task_id()].push_back(report);
                                          moved_.notify_all();
                                        },
                                        .registry = *access_,
                                        .plugins = plugins_});
    ASSERT_TRUE(tasks) << tasks.error().message;
    tasks_ = std::move(*tasks);
  }

  v1::StartTaskRequest request(const std::vector<Box>& boxes, const std::string& id = kTaskId) {
    auto out = request_of(boxes, id);
    for (auto& container : *out.mutable_definition()->mutable_container_definitions()) {
      container.set_image(registry_->image());
      container.set_memory(64);
    }
    return out;
  }
  static v1::ecs::ContainerDefinition& container(v1::StartTaskRequest& request, int i) {
    return *request.mutable_definition()->mutable_container_definitions(i);
  }
  static void sh(v1::StartTaskRequest& request, int i, const std::string& script) {
    container(request, i).clear_command();
    for (const char* word : {"/bin/sh", "-c", script.c_str()}) container(request, i).add_command(word);
  }

  // The first report in the phase, or later.
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
  // The first report that fits, of those from now or before.
  template <typename Fits>
  std::optional<v1::TaskReport> awaited(const Fits& fits, const std::string& id = kTaskId) {
    std::unique_lock lock(mutex_);
    std::optional<v1::TaskReport> found;
    moved_.wait_for(lock, kPatience, [&] {
      for (const auto& report : reports_[id]) {
        if (!fits(report)) continue;
        found = report;
        return true;
      }
      return false;
    });
    return found;
  }
  std::optional<v1::TaskReport> stopped(const std::string& id = kTaskId) { return reached(v1::TASK_PHASE_STOPPED, id); }
  v1::TaskReport run_to_end(const v1::StartTaskRequest& request) {
    auto started = tasks_->start(request);
    EXPECT_TRUE(started) << started.error().message;
    const auto last = stopped(request.task_id());
    EXPECT_TRUE(last);
    return last.value_or(v1::TaskReport{});
  }
  void stop(const std::string& id, bool force = false) {
    v1::StopTaskRequest request;
    request.set_task_id(id);
    request.set_reason("stopped by the test");
    request.set_force(force);
    EXPECT_TRUE(tasks_->stop(request));
  }
  // Follows the logs until they have so many lines; false: the task ended before.
  bool logged(std::size_t count) {
    v1::LogsRequest request;
    request.set_task_id(kTaskId);
    request.set_follow(true);
    std::size_t seen = 0;
    EXPECT_TRUE(tasks_->logs(request, [&](const v1::LogRecord&) { return ++seen < count; }, {}));
    return seen == count;
  }
  std::vector<std::string> log_lines(v1::LogsRequest request) {
    request.set_task_id(kTaskId);
    std::vector<std::string> lines;
    auto count = tasks_->logs(
        request, [&](const v1::LogRecord& record) { return lines.push_back(record.data()), true; }, {});
    EXPECT_TRUE(count) << count.error().message;
    return lines;
  }

  static inline Registry* registry_ = nullptr;
  Place place_{"tasks", BERTH_TEST_MONITOR};
  std::unique_ptr<PlainAccess> access_;
  HostPlugins* plugins_ = nullptr;  // of the host, where a test has some
  std::mutex mutex_;
  std::condition_variable moved_;
  std::map<std::string, std::vector<v1::TaskReport>> reports_;
  std::unique_ptr<Tasks> tasks_;
};

}  // namespace berth::runtime::testing
