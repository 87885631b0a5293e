// SPDX-License-Identifier: Apache-2.0
// A launch type whose three hosts exist on paper: container instances that the API shows and
// placement counts, and tasks that run as soon as they are started and stop as soon as they are
// told to.
#include "berth/plugin.hpp"
#include "berth/task_book.hpp"

namespace {
using namespace berth;
using sdk::Completion;

class PaperHosts final : public sdk::LaunchType {
 public:
  explicit PaperHosts(sdk::Host host) : LaunchType(host), book_(host) {}

  void describe(v1::Interface& self) const override { self.add_launch_types("EC2"); }

  void activate(Completion<v1::Empty> done) override {
    add_host('a', "zone-a", 1024);
    add_host('b', "zone-a", 1024);
    add_host('c', "zone-b", 512);
    inventory().publish();
    done.ok();
  }

  void plan(v1::PlanRequest request, Completion<v1::PlanResponse> done) override {
    v1::PlanResponse plan;
    for (const auto& container : request.definition().container_definitions()) {
      v1::Requirement& needs = *plan.mutable_requirement();
      needs.set_cpu(needs.cpu() + container.cpu());
      needs.set_memory_mib(needs.memory_mib() + container.memory());
    }
    done.ok(plan);
  }

  void start(v1::StartTaskRequest request, Completion<v1::Empty> done) override {
    book_.add_running(request);
    done.ok();
  }
  void stop(v1::StopTaskRequest request, Completion<v1::Empty> done) override {
    const auto report = book_.find(request.task_id());
    if (!report) return done.fail(sdk::fail(BERTH_NOT_FOUND, "no such task"));
    done.ok();
    for (const auto& container : report->containers()) {
      book_.container_exited(request.task_id(), container.name(), 0);
    }
  }
  void list_owned(v1::ListOwnedRequest request, Completion<v1::ListOwnedResponse> done) override {
    done.ok(book_.list(request));
  }
  void recover(v1::RecoverRequest request, Completion<v1::RecoverResponse> done) override {
    done.ok(book_.recover(request));
  }
  void forget(v1::ForgetTasksRequest request, Completion<v1::Empty> done) override {
    book_.forget(request);
    done.ok();
  }

 private:
  void add_host(char letter, const char* zone, std::int64_t cpu) {
    v1::Node node;
    node.set_id(std::string(32, letter));
    node.set_cluster(host().config().cluster());
    node.set_connected(true);
    node.set_ec2_instance_id(std::string("i-") + letter);
    *node.add_resources() = sdk::counter("CPU", cpu);
    *node.add_resources() = sdk::counter("MEMORY", 4096);
    auto& attribute = *node.add_attributes();
    attribute.set_name("ecs.availability-zone");
    attribute.set_value(zone);
    inventory().set(std::move(node));
  }

  sdk::TaskBook book_;
};

constexpr sdk::About kAbout{
    .name = "paper-hosts", .version = "1.0.0", .vendor = "Berth", .license = "Apache-2.0"};
}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, PaperHosts);
