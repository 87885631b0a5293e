// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/show_placement.hpp"

namespace berth::api {

model::TaskPlace show_place(const control::TaskPlace& place) {
  model::TaskPlace shown;
  if (!place.instance_arn.empty()) shown.set_container_instance_arn(place.instance_arn);
  if (!place.ec2_instance_id.empty()) shown.set_ec2_instance_id(place.ec2_instance_id);
  if (!place.hostname.empty()) shown.set_hostname(place.hostname);
  if (!place.zone.empty()) shown.set_availability_zone(place.zone);
  if (!place.launch_type.empty()) shown.set_launch_type(place.launch_type);
  if (!place.capacity_provider.empty()) shown.set_capacity_provider(place.capacity_provider);
  shown.set_plugin(place.plugin.str());
  shown.set_tasks(place.tasks);
  return shown;
}

model::RefusalCount show_refusal(const control::RefusalCount& refusal) {
  model::RefusalCount shown;
  shown.set_reason(refusal.reason);
  shown.set_instances(refusal.instances);
  model::ClosestInstance& closest = *shown.mutable_closest();
  if (!refusal.closest_arn.empty()) closest.set_container_instance_arn(refusal.closest_arn);
  closest.set_detail(refusal.detail);
  if (refusal.needed > 0) {
    closest.set_needed(refusal.needed);
    closest.set_available(refusal.available);
  }
  return shown;
}

std::string strategy_text(const model::PlacementStrategy& strategy) {
  return strategy.field().empty() ? strategy.type()
                                  : strategy.type() + "(" + strategy.field() + ")";
}

}  // namespace berth::api
