// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "berth/model/ecs_services.pb.h"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 100;
constexpr int kScan = 5000;

bool has_status(const ContainerInstance& instance, const std::string& status) {
  switch (instance.status) {
    case InstanceStatus::Active:
      return status.empty() || status == "ACTIVE";
    case InstanceStatus::Draining:
      return status.empty() || status == "DRAINING";
    case InstanceStatus::Inactive:
      return false;
  }
  return false;
}

}  // namespace

void list_container_instances(const Call& call) {
  model::ListContainerInstancesRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  const std::string binding = page_binding(request);
  NodeId after;
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after = NodeId(*key);
  }
  InstanceMatch match;
  if (!request.filter().empty()) {
    auto compiled = call.backend().compile_filter(request.filter());
    if (!compiled) return call.refuse(compiled.error());
    match = std::move(*compiled);
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  call.query(
      [name = *cluster, after, size, binding, match, status = request.status(),
       realm = call.realm()](
          const control::State& state) -> Result<model::ListContainerInstancesResponse> {
        if (auto known = active_cluster(state, name); !known) {
          return tl::unexpected(known.error());
        }
        model::ListContainerInstancesResponse response;
        const auto& ids = state.instances_of(name);
        NodeId last;
        int seen = 0;
        for (auto it = ids.upper_bound(after); it != ids.end(); ++it) {
          if (response.container_instance_arns_size() == size || ++seen > kScan) {
            response.set_next_token(make_token(binding, last.str()));
            break;
          }
          last = *it;
          const auto instance = state.instance(*it);
          if (instance == nullptr || !has_status(*instance, status)) continue;
          if (match && !match(*instance, state)) continue;
          response.add_container_instance_arns(realm.container_instance_arn(name, *it));
        }
        return response;
      },
      [](const Call& answered, const model::ListContainerInstancesResponse& response) {
        answered.reply(response);
      });
}

void describe_container_instances(const Call& call) {
  model::DescribeContainerInstancesRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  std::vector<NodeId> ids;
  for (const std::string& text : request.container_instances()) {
    auto id = id_in_cluster(text, "container-instance", *cluster);
    if (!id) return call.refuse(id.error());
    ids.emplace_back(*id);
  }
  const auto& include = request.include();
  const InstanceParts parts{
      .tags = std::ranges::find(include, "TAGS") != include.end(),
      .health = std::ranges::find(include, "CONTAINER_INSTANCE_HEALTH") != include.end()};
  struct Found {
    std::vector<InstanceView> views;
    std::vector<NodeId> missing;
  };
  call.query(
      [ids, name = *cluster](const control::State& state) -> Result<Found> {
        if (auto known = active_cluster(state, name); !known) {
          return tl::unexpected(known.error());
        }
        Found found;
        for (const NodeId& id : ids) {
          auto instance = state.instance(id);
          if (instance != nullptr && instance->cluster == name) {
            found.views.push_back(instance_view(state, std::move(instance)));
          } else {
            found.missing.push_back(id);
          }
        }
        return found;
      },
      [name = *cluster, parts](const Call& answered, const Found& found) {
        model::DescribeContainerInstancesResponse response;
        for (const auto& view : found.views) {
          *response.add_container_instances() = show_instance(view, answered.realm(), parts);
        }
        for (const NodeId& id : found.missing) {
          *response.add_failures() = missing(answered.realm().container_instance_arn(name, id));
        }
        answered.reply(response);
      });
}

void update_container_instances_state(const Call& call) {
  model::UpdateContainerInstancesStateRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  control::UpdateInstancesState command{*cluster, {}, request.status() == "DRAINING"};
  for (const std::string& text : request.container_instances()) {
    auto id = id_in_cluster(text, "container-instance", *cluster);
    if (!id) return call.refuse(id.error());
    command.instances.push_back(*std::move(id));
  }
  call.submit(std::move(command), [](const Call& answered, const control::Answer& answer) {
    const auto& done = std::get<control::InstancesAnswer>(answer);
    answered.query(
        [instances = done.instances](const control::State& state) {
          std::vector<InstanceView> views;
          for (const auto& instance : instances) views.push_back(instance_view(state, instance));
          return views;
        },
        [failures = done.failures](const Call& last, const std::vector<InstanceView>& views) {
          model::UpdateContainerInstancesStateResponse response;
          for (const auto& view : views) {
            *response.add_container_instances() = show_instance(view, last.realm(), {});
          }
          for (const auto& failure : failures) *response.add_failures() = show_failure(failure);
          last.reply(response);
        });
  });
}

void deregister_container_instance(const Call& call) {
  model::DeregisterContainerInstanceRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto id = id_in_cluster(request.container_instance(), "container-instance", *cluster);
  if (!id) return call.refuse(id.error());
  call.submit(
      control::DeregisterInstance{*cluster, *std::move(id), request.force()},
      [](const Call& answered, const control::Answer& answer) {
        const ContainerInstancePtr instance =
            std::get<control::InstancesAnswer>(answer).instances.front();
        answered.query(
            [instance](const control::State& state) { return instance_view(state, instance); },
            [](const Call& last, const InstanceView& view) {
              model::DeregisterContainerInstanceResponse response;
              *response.mutable_container_instance() =
                  show_instance(view, last.realm(), {.tags = true});
              last.reply(response);
            });
      });
}

}  // namespace berth::api
