// SPDX-License-Identifier: Apache-2.0
// Runs the probe in real containers, by each OCI runtime, and gives what it saw.
//
// Threads: one.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/sdk/runtime/task_host_support.hpp"
#include "tests/sdk/runtime/task_support.hpp"
#include "tests/support/image/fake_registry.hpp"
#include "tests/support/image/tar_builder.hpp"

namespace berth::runtime::testing {

namespace json = boost::json;

class Probe : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    registry_ = new berth::test::FakeRegistry();
    std::ifstream file(BERTH_PROBE, std::ios::binary);
    const std::string program{std::istreambuf_iterator<char>(file), {}};
    berth::test::TarBuilder tar;
    tar.directory("tmp", 01777)
        .directory("etc")
        .directory("seeded", 0750)
        .file("probe", program, 0755);
    tar.file("etc/passwd", "app:x:1234:1234::/home/app:/bin/sh\n")
        .file("etc/group", "app:x:1234:\n");
    tar.add({.path = "seeded/file", .content = "seed\n", .mode = 0640, .uid = 1234, .gid = 1234});
    tar.symlink("seeded/link", "file")
        .hard_link("seeded/again", "seeded/file")
        .directory("seeded/deep");
    tar.file("seeded/deep/leaf", "leaf\n");
    layer_ = berth::test::gzip_layer(tar.bytes());
    push("plain",
         R"({"Entrypoint":["/probe"],"Env":["FROM_IMAGE=yes"],"ExposedPorts":{"5432/tcp":{}}})");
    push("volumes", R"({"Entrypoint":["/probe"],"Volumes":{"/seeded":{},"/fresh":{}}})");
  }
  static void TearDownTestSuite() {
    delete registry_;
    registry_ = nullptr;
  }
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "needs root";
    access_ = std::make_unique<berth::test::TableAccess>(
        std::vector<std::string>{registry_->server().url()});
    open();
  }
  void TearDown() override {
    if (tasks_) {
      for (const auto& report : tasks_->list()) stop(report.task_id());
      for (const auto& report : tasks_->list())
        EXPECT_TRUE(stopped(report.task_id())) << report.task_id();
    }
    EXPECT_THAT(place_.leftovers(), ::testing::IsEmpty());
    tasks_.reset();
  }
  virtual void configure(TasksConfig&) {}
  void open() {
    TasksConfig config = place_.config();
    config.runtime = GetParam();
    configure(config);
    auto tasks = Tasks::open(config, {.report =
                                          [this](const v1::TaskReport& report) {
                                            const std::lock_guard lock(mutex_);
                                            reports_[report.task_id()].push_back(report);
                                            moved_.notify_all();
                                          },
                                      .registry = *access_});
    ASSERT_TRUE(tasks) << tasks.error().message;
    tasks_ = std::move(*tasks);
  }

  // Containers "web", or of these names, each of the probe.
  v1::StartTaskRequest request(const std::vector<Box>& boxes = {{.name = "web", .stop_timeout = 2}},
                               const std::string& id = kTaskId) {
    auto out = request_of(boxes, id);
    for (auto& container : *out.mutable_definition()->mutable_container_definitions()) {
      container.set_image(image("plain"));
      container.set_memory(64);
    }
    return out;
  }
  static std::string image(const std::string& name) { return registry_->host() + "/probe:" + name; }
  static v1::ecs::ContainerDefinition& container(v1::StartTaskRequest& request, int i = 0) {
    return *request.mutable_definition()->mutable_container_definitions(i);
  }
  // An image of the probe whose configuration has more; gives its digest.
  static std::string push(const char* tag, const std::string& config) {
    const auto image = berth::test::build_image({.layers = {layer_}, .config_json = config});
    registry_->push("probe", tag, image);
    return image.digest;
  }
  static void tries(v1::StartTaskRequest& request, int i, const std::vector<std::string>& words) {
    for (const auto& word : words) container(request, i).add_command(word);
  }

  std::optional<v1::TaskReport> reached(v1::TaskPhase phase, const std::string& id = kTaskId) {
    std::unique_lock lock(mutex_);
    std::optional<v1::TaskReport> found;
    moved_.wait_for(lock, std::chrono::seconds(60), [&] {
      for (const auto& report : reports_[id]) {
        if (report.phase() < phase) continue;
        found = report;
        return true;
      }
      return false;
    });
    return found;
  }
  std::optional<v1::TaskReport> stopped(const std::string& id = kTaskId) {
    return reached(v1::TASK_PHASE_STOPPED, id);
  }
  v1::TaskReport run(const v1::StartTaskRequest& request) {
    auto started = tasks_->start(request);
    EXPECT_TRUE(started) << started.error().message;
    const auto last = stopped(request.task_id());
    EXPECT_TRUE(last);
    return last.value_or(v1::TaskReport{});
  }
  // Runs to the end, well, and gives what the first container saw.
  json::value sees(const v1::StartTaskRequest& request) {
    const auto last = run(request);
    EXPECT_EQ(last.containers(0).exit_code(), 0) << last.containers(0).reason();
    return seen(request.definition().container_definitions(0).name(), request.task_id());
  }
  // A kernel of its own for each container: some of what it shows is not the host's.
  static bool sandboxed() { return std::string_view(GetParam()) == "runsc"; }
  // What a container has told; waits until it has.
  json::value seen(const std::string& container, const std::string& id = kTaskId) {
    v1::LogsRequest asked;
    asked.set_task_id(id);
    asked.add_containers(container);
    asked.set_follow(true);
    std::string text;
    (void)tasks_->logs(asked,
                       [&](const v1::LogRecord& record) {
                         text += record.data();
                         return record.partial();
                       },
                       {});
    boost::system::error_code error;
    auto value = json::parse(text, error);
    EXPECT_FALSE(error) << container << " said: " << text;
    return value;
  }
  static std::string text(const json::value& value, const std::string& key) {
    const auto* found = value.is_object() ? value.as_object().if_contains(key) : nullptr;
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : "(none)";
  }
  static std::string tried(const json::value& sight, const std::string& word) {
    const auto& value = sight.at("tries").at(word);
    return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  }
  static std::string mount(const json::value& sight, const std::string& point) {
    return text(sight.at("mounts"), point);
  }
  static bool has(const json::value& list, const std::string& word) {
    for (const auto& one : list.as_array()) {
      if (one.as_string() == word) return true;
    }
    return false;
  }
  static std::uint64_t caps(const json::value& sight, const char* set) {
    return std::stoull(text(sight.at("status"), set), nullptr, 16);
  }
  // The member at fault where the agent does not take the task.
  std::string refused(const v1::StartTaskRequest& request) {
    auto started = tasks_->start(request);
    return started ? "(taken)" : started.error().field;
  }
  void stop(const std::string& id = kTaskId) {
    v1::StopTaskRequest request;
    request.set_task_id(id);
    request.set_force(true);
    EXPECT_TRUE(tasks_->stop(request));
  }

  static inline berth::test::FakeRegistry* registry_ = nullptr;
  static inline berth::test::BuiltLayer layer_;
  Place place_{"probe", BERTH_TEST_MONITOR};
  std::unique_ptr<berth::test::TableAccess> access_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::map<std::string, std::vector<v1::TaskReport>> reports_;
  std::unique_ptr<Tasks> tasks_;
};

// A second task of a test.
inline const std::string kOtherTask = "11111111111111111111111111111111";

}  // namespace berth::runtime::testing
