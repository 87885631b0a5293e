// SPDX-License-Identifier: Apache-2.0
// A test plugin with two roles in one file: hosts with devices (control plane), and the devices
// themselves (agent).
#include <mutex>
#include <set>

#include "berth/plugin.hpp"
#include "counted_tasks.hpp"

namespace {
using namespace berth;

constexpr const char* kIds[] = {"dev-0", "dev-1"};

v1::Device device(const char* id) {
  v1::Device device;
  device.set_id(id);
  device.set_type("GPU");
  device.set_model("test");
  device.set_memory_mib(1024);
  device.set_share_milli(1000);
  device.set_healthy(true);
  return device;
}

class Hosts final : public test::CountedTasks {
 public:
  using CountedTasks::CountedTasks;

  void describe(v1::Interface& self) const override { self.add_launch_types("EC2"); }
  void activate(sdk::Completion<v1::Empty> done) override {
    v1::Node host = node("0123456789abcdef0123456789abcdef");
    v1::Resource& gpus = *host.add_resources();
    gpus.set_name("GPU");
    for (const char* id : kIds) *gpus.mutable_device_set()->add_devices() = device(id);
    inventory().set(std::move(host));
    inventory().publish();
    done.ok();
  }
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override {
    v1::PlanResponse plan;
    for (const auto& container : request.definition().container_definitions()) {
      plan.mutable_requirement()->set_cpu(plan.requirement().cpu() + container.cpu());
      plan.mutable_requirement()->set_memory_mib(plan.requirement().memory_mib() +
                                                 container.memory());
      for (const auto& wanted : container.resource_requirements()) {
        if (wanted.type() != "GPU") continue;
        v1::DeviceRequirement& need = *plan.mutable_requirement()->add_devices();
        need.set_type("GPU");
        need.set_container(container.name());
        need.set_count(std::stoll(wanted.value()));
      }
    }
    done.ok(plan);
  }
};

class Devices final : public sdk::HostRole {
 public:
  using HostRole::HostRole;

  void describe(v1::Interface& self) const override { self.add_device_types("GPU"); }
  void activate(sdk::Completion<v1::Empty> done) override {
    v1::DeviceReport report;
    for (const char* id : kIds) *report.add_devices() = device(id);
    host().report(report);
    done.ok();
  }
  void discover(v1::DiscoverRequest, sdk::Completion<v1::DiscoverResponse> done) override {
    v1::DiscoverResponse response;
    for (const char* id : kIds) *response.add_devices() = device(id);
    done.ok(response);
  }
  void prepare(v1::PrepareRequest request, sdk::Completion<v1::PrepareResponse> done) override {
    v1::PrepareResponse response;
    std::string ids;
    for (const v1::DeviceGrant& grant : request.grants()) {
      ids += (ids.empty() ? "" : ",") + grant.device_id();
      v1::DeviceNode& node = *response.mutable_edits()->add_device_nodes();
      node.set_path("/dev/null-" + grant.device_id());
      node.set_host_path("/dev/null");
    }
    response.mutable_edits()->add_env("VISIBLE_DEVICES=" + ids);
    const std::lock_guard lock(mutex_);
    prepared_.insert(request.task_id());
    done.ok(response);
  }
  void release(v1::ReleaseRequest request, sdk::Completion<v1::Empty> done) override {
    const std::lock_guard lock(mutex_);
    prepared_.erase(request.task_id());
    done.ok();
  }
  void device_stats(v1::DeviceStatsRequest request,
                    sdk::Completion<v1::DeviceStatsResponse> done) override {
    v1::DeviceStatsResponse response;
    const std::lock_guard lock(mutex_);
    for (const std::string& id : request.device_ids()) {
      v1::DeviceStats& stats = *response.add_devices();
      stats.set_device_id(id);
      stats.set_utilization(prepared_.empty() ? 0.0 : 1.0);
    }
    done.ok(response);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> prepared_;
};

constexpr sdk::About kAbout{.name = "test-devices", .version = "1.0.0", .license = "Apache-2.0"};

}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, Hosts, Devices);
