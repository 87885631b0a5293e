// SPDX-License-Identifier: Apache-2.0
#include "berth/model/berth_operations.pb.h"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 1000;

model::AgentDescription describe(const ContainerInstance& instance, int running,
                                 const Realm& realm) {
  const v1::Node& node = instance.node;
  model::AgentDescription shown;
  shown.set_id(instance.id.str());
  shown.set_container_instance_arn(realm.container_instance_arn(instance.cluster, instance.id));
  shown.set_cluster(instance.cluster.str());
  shown.set_plugin(instance.plugin.str());
  shown.set_status(instance.status == InstanceStatus::Draining ? "DRAINING" : "ACTIVE");
  shown.set_connected(node.connected());
  if (!node.address().empty()) shown.set_address(node.address());
  if (!node.agent_version().empty()) shown.set_agent_version(node.agent_version());
  if (node.has_certificate_expires_at()) {
    *shown.mutable_certificate_expires_at() = node.certificate_expires_at();
  }
  shown.mutable_registered_at()->set_ms(instance.registered_at.time_since_epoch().count());
  shown.set_running_tasks(running);
  return shown;
}

// By id over all clusters, or of one.
Result<model::ListAgentsResponse> list(const control::State& state, const ClusterName& cluster,
                                       const NodeId& after, const Realm& realm,
                                       const model::ListAgentsRequest& request) {
  if (!cluster.str().empty()) {
    if (auto known = active_cluster(state, cluster); !known) return tl::unexpected(known.error());
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  model::ListAgentsResponse response;
  NodeId last;
  for (auto it = state.instances().upper_bound(after); it != state.instances().end(); ++it) {
    const ContainerInstance& instance = *it->second;
    if (instance.status == InstanceStatus::Inactive) continue;
    if (!cluster.str().empty() && instance.cluster != cluster) continue;
    if (response.agents_size() == size) {
      response.set_next_token(make_token(page_binding(request), last.str()));
      break;
    }
    *response.add_agents() = describe(instance, state.counts_on(it->first).running, realm);
    last = it->first;
  }
  return response;
}

}  // namespace

void list_agents(const Call& call) {
  model::ListAgentsRequest request;
  if (!call.read(request)) return;
  ClusterName cluster;
  if (request.has_cluster() && !request.cluster().empty()) {
    auto named = cluster_of(call.backend(), true, request.cluster());
    if (!named) return call.refuse(named.error());
    cluster = *named;
  }
  NodeId after;
  if (!request.next_token().empty()) {
    auto key = read_token(page_binding(request), request.next_token());
    if (!key) return call.refuse(key.error());
    after = NodeId(*key);
  }
  call.query(
      [request, after, cluster, realm = call.realm()](const control::State& state) {
        return list(state, cluster, after, realm, request);
      },
      [](const Call& answered, const model::ListAgentsResponse& response) {
        answered.reply(response);
      });
}

void remove_agent(const Call& call) {
  model::RemoveAgentRequest request;
  if (!call.read(request)) return;
  call.submit(control::RemoveAgent{request.agent(), request.force()},
              [](const Call& answered, const control::Answer& answer) {
                model::RemoveAgentResponse response;
                response.set_id(std::get<control::RemoveAgentAnswer>(answer).id.str());
                answered.reply(response);
              });
}

}  // namespace berth::api
