// SPDX-License-Identifier: Apache-2.0
#include "core/control/attributes.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace berth::control {
namespace {

constexpr std::size_t kMaxCustom = 10;

bool is_reserved(const std::string& name) {
  return name.starts_with("ecs.") || name.starts_with("com.amazonaws.");
}

// Those that count: put by the operator, or configured at the agent.
std::size_t custom_count(const ContainerInstance& instance) {
  std::set<std::string> names;
  for (const auto& attribute : instance.custom_attributes) names.insert(attribute.name());
  for (const auto& attribute : instance.node.attributes()) {
    if (!is_reserved(attribute.name())) names.insert(attribute.name());
  }
  return names.size();
}

auto find(std::vector<ecs::Attribute>& attributes, const std::string& name) {
  return std::ranges::find_if(attributes, [&](const auto& each) { return each.name() == name; });
}

}  // namespace

Result<Attributes::Instances> Attributes::targets(
    const ClusterName& cluster, const std::vector<ecs::Attribute>& attributes) const {
  const ClusterPtr known = desk_.state().cluster(cluster);
  if (!known || !known->active) {
    return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, cluster.str());
  }
  Instances found;
  for (const auto& attribute : attributes) {
    if (is_reserved(attribute.name())) {
      return fail(Errc::Invalid,
                  "Attribute '" + attribute.name() +
                      "' is the agent's to say: custom attributes do not begin with 'ecs.' or "
                      "'com.amazonaws.'.",
                  Subject::Request, "attributes");
    }
    const NodeId id(attribute.target_id());
    const ContainerInstancePtr instance = desk_.state().instance(id);
    if (!instance || instance->cluster != cluster || instance->status == InstanceStatus::Inactive) {
      return fail(Errc::NotFound,
                  "The target '" + attribute.target_id() + "' was not found in cluster '" +
                      cluster.str() + "'.",
                  Subject::Target, attribute.target_id());
    }
    found.try_emplace(id, *instance);
  }
  return found;
}

void Attributes::save(Instances changed) {
  for (auto& [id, instance] : changed) {
    instance.version += 1;
    desk_.save(std::move(instance));
    nodes_.attributes_changed(id);
  }
}

void Attributes::put(const PutAttributes& command, const Reply& reply) {
  auto instances = targets(command.cluster, command.attributes);
  if (!instances) return desk_.answer(reply, tl::unexpected(instances.error()));
  for (const auto& wish : command.attributes) {
    ecs::Attribute attribute;
    attribute.set_name(wish.name());
    if (!wish.value().empty()) attribute.set_value(wish.value());
    auto& custom = instances->at(NodeId(wish.target_id())).custom_attributes;
    const auto there = find(custom, wish.name());
    if (there == custom.end()) {
      custom.push_back(std::move(attribute));
    } else {
      *there = std::move(attribute);
    }
  }
  for (const auto& [id, instance] : *instances) {
    if (custom_count(instance) <= kMaxCustom) continue;
    return desk_.answer(reply, fail(Errc::Precondition,
                                    "Container instance '" + id.str() + "' would have more than " +
                                        std::to_string(kMaxCustom) + " custom attributes.",
                                    Subject::AttributeLimit, id.str()));
  }
  save(std::move(*instances));
  desk_.answer(reply, Answer(AttributesAnswer{command.attributes}));
}

void Attributes::remove(const DeleteAttributes& command, const Reply& reply) {
  auto instances = targets(command.cluster, command.attributes);
  if (!instances) return desk_.answer(reply, tl::unexpected(instances.error()));
  AttributesAnswer answer;
  std::set<NodeId> changed;
  for (const auto& wish : command.attributes) {
    ContainerInstance& instance = instances->at(NodeId(wish.target_id()));
    const auto there = find(instance.custom_attributes, wish.name());
    if (there != instance.custom_attributes.end()) {
      ecs::Attribute gone = *there;
      gone.set_target_id(wish.target_id());
      answer.attributes.push_back(std::move(gone));
      instance.custom_attributes.erase(there);
      changed.insert(instance.id);
      continue;
    }
    const auto& reported = instance.node.attributes();
    const bool configured =
        std::ranges::any_of(reported, [&](const auto& each) { return each.name() == wish.name(); });
    if (!configured) continue;  // deleting what is not there is not an error
    return desk_.answer(reply, fail(Errc::Invalid,
                                    "Attribute '" + wish.name() +
                                        "' is set in the configuration of the instance's agent, "
                                        "and has to be removed there.",
                                    Subject::Request, "attributes"));
  }
  std::erase_if(*instances, [&](const auto& entry) { return !changed.contains(entry.first); });
  save(std::move(*instances));
  desk_.answer(reply, Answer(std::move(answer)));
}

}  // namespace berth::control
