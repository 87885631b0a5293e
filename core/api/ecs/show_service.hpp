// SPDX-License-Identifier: Apache-2.0
// Services, their deployments and revisions as ECS shows them.
//
// Threads: any; the views are made on the loop.
#pragma once

#include <string>
#include <vector>

#include "berth/model/ecs_services.pb.h"
#include "core/api/ecs/show.hpp"

namespace berth::api {

struct DeploymentView {
  ServiceDeploymentPtr deployment;
  control::TaskCounts counts;
};
struct ServiceView {
  ServicePtr service;
  std::vector<DeploymentView>
      deployments;                 // PRIMARY first, then those that still have tasks, newest first
  ServiceDeploymentPtr under_way;  // whose rollout or rollback goes on; else the PRIMARY one
};
[[nodiscard]] ServiceView service_view(const control::State& state, ServicePtr service);
[[nodiscard]] model::Service show_service(const ServiceView& view, const Realm& realm, Tags tags);

// A deployment, and the one that it went back to where it did.
struct RolloutView {
  ServicePtr service;
  DeploymentView deployment;
  ServiceDeploymentPtr rollback_to;
};
[[nodiscard]] RolloutView rollout_view(const control::State& state, const ServicePtr& service,
                                       const ServiceDeploymentPtr& deployment);
[[nodiscard]] model::ServiceDeployment show_rollout(const RolloutView& view, const Realm& realm);
[[nodiscard]] model::ServiceDeploymentBrief show_brief(const RolloutView& view, const Realm& realm);
[[nodiscard]] model::ServiceRevision show_revision(const ServiceDeployment& deployment,
                                                   const Realm& realm);

}  // namespace berth::api
