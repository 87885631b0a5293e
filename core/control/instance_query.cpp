// SPDX-License-Identifier: Apache-2.0
#include "core/control/instance_query.hpp"

#include "core/placement/query.hpp"

namespace berth::control {
namespace {

class Facts final : public placement::NodeFacts {
 public:
  Facts(const ContainerInstance& instance, const State& state)
      : instance_(instance), state_(state) {}

  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view name) const override {
    // What the operator has put there goes before what the agent reports.
    for (const auto& attribute : instance_.custom_attributes) {
      if (attribute.name() == name) return attribute.value();
    }
    for (const auto& attribute : instance_.node.attributes()) {
      if (attribute.name() == name) return attribute.value();
    }
    return std::nullopt;
  }
  [[nodiscard]] bool agent_connected() const override { return instance_.node.connected(); }
  [[nodiscard]] std::string_view agent_version() const override {
    return instance_.node.agent_version();
  }
  [[nodiscard]] std::string_view ec2_instance_id() const override {
    return instance_.node.ec2_instance_id();
  }
  [[nodiscard]] std::int64_t registered_at_ms() const override {
    return instance_.registered_at.time_since_epoch().count();
  }
  [[nodiscard]] std::int64_t running_tasks() const override {
    return state_.counts_on(instance_.id).running;
  }
  [[nodiscard]] bool any_group(const GroupTest& test) const override {
    for (const TaskId& id : state_.tasks_on(instance_.id)) {
      const TaskPtr task = state_.task(id);
      if (task != nullptr && task->last_status != TaskStatus::Stopped &&
          test(task->launch->group)) {
        return true;
      }
    }
    return false;
  }

 private:
  const ContainerInstance& instance_;
  const State& state_;
};

}  // namespace

struct InstanceQuery::Compiled {
  placement::Query query;
};

InstanceQuery::InstanceQuery(std::shared_ptr<const Compiled> compiled)
    : compiled_(std::move(compiled)) {}

Result<InstanceQuery> InstanceQuery::parse(std::string_view expression) {
  auto query = placement::Query::parse(expression);
  if (!query) {
    return fail(Errc::Invalid, query.error().message, Subject::Request, "expression");
  }
  return InstanceQuery(std::make_shared<const Compiled>(Compiled{std::move(*query)}));
}

bool InstanceQuery::matches(const ContainerInstance& instance, const State& state) const {
  return compiled_->query.matches(Facts(instance, state));
}

}  // namespace berth::control
