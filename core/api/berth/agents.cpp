// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "berth/model/berth_operations.pb.h"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"
#include "core/model/host_name.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 1000;

void show_host(const v1::Node& node, model::AgentDescription& shown) {
  if (!node.address().empty()) shown.set_address(node.address());
  if (auto name = host_name_of(node); !name.empty()) shown.set_hostname(std::move(name));
  if (!node.agent_version().empty()) shown.set_agent_version(node.agent_version());
  if (node.has_certificate_expires_at()) {
    *shown.mutable_certificate_expires_at() = node.certificate_expires_at();
  }
}

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
  show_host(node, shown);
  shown.mutable_registered_at()->set_ms(instance.registered_at.time_since_epoch().count());
  shown.set_running_tasks(running);
  return shown;
}

model::AgentDescription describe(const NodeId& id, const control::WaitingNode& waiting) {
  const v1::Node& node = waiting.node;
  model::AgentDescription shown;
  shown.set_id(id.str());
  shown.set_cluster(node.cluster());
  shown.set_plugin(waiting.plugin.str());
  shown.set_status("WAITING");
  shown.set_connected(node.connected());
  show_host(node, shown);
  shown.set_running_tasks(0);
  return shown;
}

// By id over all clusters, or of one.
Result<model::ListAgentsResponse> list(const control::State& state, const ClusterName& cluster,
                                       const NodeId& after, const Realm& realm,
                                       const model::ListAgentsRequest& request) {
  const auto is_asked = [&](const std::string& of) {
    return cluster.str().empty() || cluster.str() == of;
  };
  const auto& waiting = state.waiting_nodes();
  if (!cluster.str().empty() && std::none_of(waiting.begin(), waiting.end(), [&](const auto& one) {
        return is_asked(one.second.node.cluster());
      })) {
    if (auto known = active_cluster(state, cluster); !known) return tl::unexpected(known.error());
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  model::ListAgentsResponse response;
  NodeId last;
  auto it = state.instances().upper_bound(after);
  auto waits = waiting.upper_bound(after);
  const auto instances_end = state.instances().end();
  while (it != instances_end || waits != waiting.end()) {
    const bool of_instance =
        waits == waiting.end() || (it != instances_end && it->first < waits->first);
    const bool shown = of_instance ? it->second->status != InstanceStatus::Inactive &&
                                         is_asked(it->second->cluster.str())
                                   : is_asked(waits->second.node.cluster());
    if (shown) {
      if (response.agents_size() == size) {
        response.set_next_token(make_token(page_binding(request), last.str()));
        break;
      }
      last = of_instance ? it->first : waits->first;
      *response.add_agents() = of_instance
                                   ? describe(*it->second, state.counts_on(last).running, realm)
                                   : describe(last, waits->second);
    }
    if (of_instance) {
      ++it;
    } else {
      ++waits;
    }
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

void rest_services(const Call& call) {
  model::RestServicesRequest request;
  if (!call.read(request)) return;
  call.submit(control::RestServices{}, [](const Call& answered, const control::Answer&) {
    answered.reply(model::RestServicesResponse());
  });
}

}  // namespace berth::api
