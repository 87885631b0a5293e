// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/service_rules.hpp"
#include "core/api/ecs/show_service.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 10;

// The service's record as it is now, with what runs of it.
template <typename Response>
void answer_service(const Call& call, const control::Answer& answer) {
  call.query([service = std::get<ServicePtr>(answer)](
                 const control::State& state) { return service_view(state, service); },
             [](const Call& last, const ServiceView& view) {
               Response response;
               *response.mutable_service() = show_service(view, last.realm(), Tags::Show);
               last.reply(response);
             });
}

// The cluster's name and the service's replace what the request says.
template <typename Request>
Result<void> name_service(const Call& call, Request& request) {
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return tl::unexpected(cluster.error());
  auto name = id_in_cluster(request.service(), "service", *cluster);
  if (!name) return tl::unexpected(name.error());
  request.set_cluster(cluster->str());
  request.set_service(*name);
  return {};
}

bool is_listed(const Service& service, const model::ListServicesRequest& request) {
  const bool daemon = request.scheduling_strategy() == "DAEMON";
  const bool by_type = service.data.capacity_provider_strategy().empty() &&
                       service.data.launch_type() == request.launch_type();
  return service.active() && (request.launch_type().empty() || by_type) &&
         (request.scheduling_strategy().empty() || service.data.daemon() == daemon) &&
         request.resource_management_type() != "ECS";
}

}  // namespace

void create_service(const Call& call) {
  model::CreateServiceRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  request.set_cluster(cluster->str());
  if (auto ok = check_create_service(call, request); !ok) return call.refuse(ok.error());
  call.submit(control::CreateService{std::move(request), call.principal()},
              answer_service<model::CreateServiceResponse>);
}

void update_service(const Call& call) {
  control::UpdateService command;
  json::Decoded decoded;
  if (!call.read(command.request, Subject::Request, &decoded)) return;
  if (auto ok = name_service(call, command.request); !ok) return call.refuse(ok.error());
  if (auto ok = check_update_service(call, command.request); !ok) return call.refuse(ok.error());
  command.present.insert(decoded.present.begin(), decoded.present.end());
  call.submit(std::move(command), answer_service<model::UpdateServiceResponse>);
}

void delete_service(const Call& call) {
  model::DeleteServiceRequest request;
  if (!call.read(request)) return;
  if (auto ok = name_service(call, request); !ok) return call.refuse(ok.error());
  call.submit(control::DeleteService{std::move(request)},
              answer_service<model::DeleteServiceResponse>);
}

void describe_services(const Call& call) {
  model::DescribeServicesRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  std::vector<ServiceId> ids;
  for (const std::string& text : request.services()) {
    auto name = id_in_cluster(text, "service", *cluster);
    if (!name) return call.refuse(name.error());
    ids.push_back({*cluster, ServiceName(*name)});
  }
  struct Found {
    std::vector<ServiceView> views;
    std::vector<ServiceId> missing;
  };
  call.query(
      [ids](const control::State& state) -> Result<Found> {
        if (auto known = active_cluster(state, ids.front().cluster); !known) {
          return tl::unexpected(known.error());
        }
        Found found;
        for (const ServiceId& id : ids) {
          if (auto service = state.service(id)) {
            found.views.push_back(service_view(state, std::move(service)));
          } else {
            found.missing.push_back(id);
          }
        }
        return found;
      },
      [tags = request.include_size() > 0 ? Tags::Show : Tags::Hide](const Call& answered,
                                                                    const Found& found) {
        model::DescribeServicesResponse response;
        for (const ServiceView& view : found.views) {
          *response.add_services() = show_service(view, answered.realm(), tags);
        }
        for (const ServiceId& id : found.missing) {
          *response.add_failures() = missing(answered.realm().service_arn(id));
        }
        answered.reply(response);
      });
}

void list_services(const Call& call) {
  model::ListServicesRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  const std::string binding = page_binding(request);
  ServiceId after{*cluster, ServiceName()};
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after.name = ServiceName(*key);
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  call.query(
      [request, after, size, binding,
       realm = call.realm()](const control::State& state) -> Result<model::ListServicesResponse> {
        if (auto known = active_cluster(state, after.cluster); !known) {
          return tl::unexpected(known.error());
        }
        model::ListServicesResponse response;
        const auto& all = state.services();
        std::string last;
        for (auto at = all.upper_bound(after);
             at != all.end() && at->first.cluster == after.cluster; ++at) {
          if (!is_listed(*at->second, request)) continue;
          if (response.service_arns_size() == size) {
            response.set_next_token(make_token(binding, last));
            break;
          }
          last = at->first.name.str();
          response.add_service_arns(realm.service_arn(at->first));
        }
        return response;
      },
      [](const Call& answered, const model::ListServicesResponse& response) {
        answered.reply(response);
      });
}

// Services get into a namespace by Service Connect, which is not there yet: no namespace is known.
void list_services_by_namespace(const Call& call) {
  model::ListServicesByNamespaceRequest request;
  if (!call.read(request)) return;
  call.refuse(Exception{"NamespaceNotFoundException", 400,
                        "The namespace '" + request.namespace_() + "' was not found."});
}

}  // namespace berth::api
