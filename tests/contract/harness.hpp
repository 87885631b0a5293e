// SPDX-License-Identifier: Apache-2.0
// A host for plugins under test: loads a library through the real table, runs a loop, keeps what
// the plugin tells.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/host.pb.h"
#include "berth/v1/launch.pb.h"
#include "core/plugins/instance.hpp"
#include "sdk/loading/loader.hpp"

namespace berth::test {

class Harness {
 public:
  explicit Harness(const std::string& path) : library_(load(path)) {}
  ~Harness() { end(); }

  // Makes an instance. Errors: as Instance::create.
  Result<void> begin(v1::PluginConfig config = {}) {
    if (config.cluster().empty()) config.set_cluster("default");
    auto made = plugins::Instance::create(
        library_,
        {.config = std::move(config),
         .post = [this](std::function<void()> work) { post(std::move(work)); },
         .now =
             [] {
               return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
             },
         .on_event = [this](std::uint32_t event,
                            std::string_view payload) { keep(event, payload); },
         .on_ask = [this](std::string_view ask) { asks.emplace_back(ask); },
         .log =
             [this](std::int32_t, std::string_view line) {
               const std::lock_guard lock(mutex_);
               log_ += std::string(line) + "\n";
             }});
    if (!made) return tl::unexpected(made.error());
    instance_ = *made;
    return {};
  }
  void end() {
    instance_.reset();
    while (turn()) continue;
  }
  plugins::Instance& instance() { return *instance_; }
  std::shared_ptr<plugins::Instance> shared() { return instance_; }

  // begin and METHOD_ACTIVATE.
  void activate(v1::PluginConfig config = {}) {
    const auto begun = begin(std::move(config));
    ASSERT_TRUE(begun) << begun.error().message;
    std::optional<Result<void>> end;
    instance_->activate({}, [&](Result<void> result) { end = std::move(result); });
    ASSERT_TRUE(until([&] { return end.has_value(); }));
    ASSERT_TRUE(*end) << end->error().message;
  }

  template <typename Response, typename Request>
  Result<Response> call(v1::Method method, const Request& request) {
    const Result<std::string> bytes =
        call_bytes(static_cast<std::uint32_t>(method), request.SerializeAsString());
    if (!bytes) return tl::unexpected(bytes.error());
    Response response;
    EXPECT_TRUE(response.ParseFromString(*bytes));
    return response;
  }
  Result<std::string> call_bytes(std::uint32_t method, std::string request) {
    std::optional<Result<std::string>> end;
    instance_->call(method, std::move(request), {},
                    [&](Result<std::string> result) { end = std::move(result); });
    if (!until([&] { return end.has_value(); })) return fail(Errc::Deadline, "never answered");
    return *end;
  }

  // Runs the loop until it is so, or for 20 seconds. False in the second case.
  bool until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      {
        std::unique_lock lock(mutex_);
        if (!posted_.wait_until(lock, deadline, [this] { return !queue_.empty(); })) return false;
      }
      turn();
    }
    return true;
  }

  // The newest report of a task.
  std::optional<v1::TaskReport> report(const std::string& task) const {
    std::optional<v1::TaskReport> newest;
    for (const v1::TaskReport& each : reports) {
      if (each.task_id() == task && (!newest || each.sequence() > newest->sequence())) {
        newest = each;
      }
    }
    return newest;
  }
  bool until_phase(const std::string& task, v1::TaskPhase phase) {
    return until([&] {
      const auto newest = report(task);
      return newest && newest->phase() == phase;
    });
  }
  std::string log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  std::vector<v1::TaskReport> reports;
  std::vector<v1::InventorySnapshot> snapshots;
  std::vector<v1::InventoryDelta> deltas;
  std::vector<v1::DeviceReport> devices;
  std::vector<v1::StreamChunk> chunks;
  std::vector<std::string> asks;

 private:
  static loading::LibraryPtr load(const std::string& path) {
    auto library = loading::Loader().load(path);
    EXPECT_TRUE(library) << library.error().message;
    return library.value();
  }
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    posted_.notify_all();
  }
  bool turn() {
    std::deque<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(queue_);
    }
    for (auto& each : work) each();
    return !work.empty();
  }
  void keep(std::uint32_t event, std::string_view payload) {
    const auto add = [&](auto& list) {
      ASSERT_TRUE(
          list.emplace_back().ParseFromArray(payload.data(), static_cast<int>(payload.size())));
    };
    switch (event) {
      case v1::EVENT_LAUNCH_TASK:
        return add(reports);
      case v1::EVENT_LAUNCH_INVENTORY:
        return add(snapshots);
      case v1::EVENT_LAUNCH_INVENTORY_DELTA:
        return add(deltas);
      case v1::EVENT_HOST_DEVICES:
        return add(devices);
      case v1::EVENT_STREAM:
        return add(chunks);
      default:
        ADD_FAILURE() << "unexpected event " << event;
    }
  }

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> queue_;
  std::string log_;
  loading::LibraryPtr library_;
  std::shared_ptr<plugins::Instance> instance_;
};

}  // namespace berth::test
