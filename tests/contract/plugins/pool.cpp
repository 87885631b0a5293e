// SPDX-License-Identifier: Apache-2.0
// A test plugin: a pool whose hosts are hidden, with slices that it makes and removes on request.
#include "berth/plugin.hpp"
#include "counted_tasks.hpp"

namespace {
using namespace berth;

class Pool final : public test::CountedTasks {
 public:
  using CountedTasks::CountedTasks;

  void describe(v1::Interface& self) const override {
    self.add_launch_types("FARGATE");
    self.add_capacity_providers("TEST_POOL");
    self.set_hidden_nodes(true);
  }
  void activate(sdk::Completion<v1::Empty> done) override {
    inventory().set(node("slice-1"));
    inventory().set(node("slice-2"));
    inventory().publish();
    done.ok();
  }
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override {
    v1::PlanResponse plan;
    for (const auto& container : request.definition().container_definitions()) {
      plan.mutable_requirement()->set_cpu(plan.requirement().cpu() + container.cpu());
      plan.mutable_requirement()->set_memory_mib(plan.requirement().memory_mib() +
                                                 container.memory());
    }
    if (request.definition().network_mode() == "host") {
      v1::Refusal& refusal = *plan.add_refusals();
      refusal.set_member("networkMode");
      refusal.set_message("A pool has no host network.");
      refusal.set_error(v1::Refusal::ERROR_CLIENT);
    }
    done.ok(plan);
  }
  void provision(v1::ProvisionRequest request,
                 sdk::Completion<v1::ProvisionResponse> done) override {
    v1::ProvisionResponse response;
    for (std::uint32_t i = 0; i < request.nodes(); ++i) {
      const std::string id = request.request_id() + "-" + std::to_string(i);
      inventory().set(node(id));
      response.add_node_ids(id);
    }
    done.ok(response);
  }
  void deprovision(v1::DeprovisionRequest request, sdk::Completion<v1::Empty> done) override {
    for (const std::string& id : request.node_ids()) inventory().remove(id);
    done.ok();
  }
};

constexpr sdk::About kAbout{.name = "test-pool", .version = "1.0.0", .license = "Apache-2.0"};

}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, Pool);
