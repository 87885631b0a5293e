// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show_service.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 20;

// A deployment by the id in its ARN, or by its revision's.
enum class By { Id, Revision };
ServiceDeploymentPtr find_deployment(const control::State& state, const ServicePart& part, By by) {
  for (const auto& [number, one] : state.deployments_of(part.service)) {
    const std::string& id = by == By::Id ? one->data.id() : one->data.revision_number();
    if (id == part.id) return one;
  }
  return nullptr;
}

struct Found {
  std::vector<RolloutView> views;
  std::vector<std::string> missing;  // ARNs
};

// Each ARN with the deployment that it names.
Result<std::vector<std::pair<std::string, ServicePart>>> parse_all(
    const google::protobuf::RepeatedPtrField<std::string>& arns, std::string_view type) {
  std::vector<std::pair<std::string, ServicePart>> parts;
  for (const std::string& arn : arns) {
    auto part = parse_service_part(arn, type);
    if (!part) return tl::unexpected(part.error());
    parts.emplace_back(arn, *std::move(part));
  }
  return parts;
}

Found find_all(const control::State& state,
               const std::vector<std::pair<std::string, ServicePart>>& parts, By by) {
  Found found;
  for (const auto& [arn, part] : parts) {
    const ServicePtr service = state.service(part.service);
    const ServiceDeploymentPtr deployment = find_deployment(state, part, by);
    if (service && deployment) {
      found.views.push_back(rollout_view(state, service, deployment));
    } else {
      found.missing.push_back(arn);
    }
  }
  return found;
}

bool is_listed(const ServiceDeployment& deployment,
               const model::ListServiceDeploymentsRequest& request) {
  const auto& statuses = request.status();
  const std::int64_t at = deployment.data.created_at().ms();
  return (statuses.empty() ||
          std::ranges::find(statuses, deployment.data.status()) != statuses.end()) &&
         (!request.created_at().has_after() || at > request.created_at().after().ms()) &&
         (!request.created_at().has_before() || at < request.created_at().before().ms());
}

// Where it stands in the list, whatever becomes of it: when it was made, as 19 digits, and its
// number.
std::string place_of(const ServiceDeployment& deployment) {
  const std::string made = std::to_string(deployment.data.created_at().ms());
  return std::string(19 - std::min<std::size_t>(made.size(), 19), '0') + made +
         deployment.number.str();
}

// The newest first.
std::vector<ServiceDeploymentPtr> listed(const control::State& state, const ServiceId& id,
                                         const model::ListServiceDeploymentsRequest& request) {
  std::vector<ServiceDeploymentPtr> all;
  for (const auto& [number, one] : state.deployments_of(id)) {
    if (is_listed(*one, request)) all.push_back(one);
  }
  std::ranges::sort(all, [](const auto& a, const auto& b) { return place_of(*a) > place_of(*b); });
  return all;
}

}  // namespace

void describe_service_deployments(const Call& call) {
  model::DescribeServiceDeploymentsRequest request;
  if (!call.read(request)) return;
  auto parts = parse_all(request.service_deployment_arns(), "service-deployment");
  if (!parts) return call.refuse(parts.error());
  call.query(
      [parts = *parts](const control::State& state) { return find_all(state, parts, By::Id); },
      [](const Call& answered, const Found& found) {
        model::DescribeServiceDeploymentsResponse response;
        for (const RolloutView& view : found.views) {
          *response.add_service_deployments() = show_rollout(view, answered.realm());
        }
        for (const std::string& arn : found.missing) *response.add_failures() = missing(arn);
        answered.reply(response);
      });
}

void describe_service_revisions(const Call& call) {
  model::DescribeServiceRevisionsRequest request;
  if (!call.read(request)) return;
  auto parts = parse_all(request.service_revision_arns(), "service-revision");
  if (!parts) return call.refuse(parts.error());
  call.query([parts = *parts](
                 const control::State& state) { return find_all(state, parts, By::Revision); },
             [](const Call& answered, const Found& found) {
               model::DescribeServiceRevisionsResponse response;
               for (const RolloutView& view : found.views) {
                 *response.add_service_revisions() =
                     show_revision(*view.deployment.deployment, answered.realm());
               }
               for (const std::string& arn : found.missing) *response.add_failures() = missing(arn);
               answered.reply(response);
             });
}

void list_service_deployments(const Call& call) {
  model::ListServiceDeploymentsRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto name = id_in_cluster(request.service(), "service", *cluster);
  if (!name) return call.refuse(name.error());
  const ServiceId id{*cluster, ServiceName(*name)};
  const std::string binding = page_binding(request);
  std::string after;
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after = *key;
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  call.query(
      [request, id, after, size, binding, realm = call.realm()](
          const control::State& state) -> Result<model::ListServiceDeploymentsResponse> {
        const ServicePtr service = state.service(id);
        if (!service) {
          return fail(Errc::NotFound, "Service not found.", Subject::Service, id.name.str());
        }
        model::ListServiceDeploymentsResponse response;
        std::string last;
        for (const ServiceDeploymentPtr& one : listed(state, id, request)) {
          if (!after.empty() && place_of(*one) >= after) continue;
          if (response.service_deployments_size() == size) {
            response.set_next_token(make_token(binding, last));
            break;
          }
          last = place_of(*one);
          *response.add_service_deployments() =
              show_brief(rollout_view(state, service, one), realm);
        }
        return response;
      },
      [](const Call& answered, const model::ListServiceDeploymentsResponse& response) {
        answered.reply(response);
      });
}

void stop_service_deployment(const Call& call) {
  model::StopServiceDeploymentRequest request;
  if (!call.read(request)) return;
  const std::string& arn = request.service_deployment_arn();
  auto part = parse_service_part(arn, "service-deployment");
  if (!part) return call.refuse(part.error());
  // ROLLBACK is what the API does where nothing is said.
  call.submit(
      control::StopServiceDeployment{part->service, part->id, request.stop_type() != "ABORT"},
      [arn](const Call& answered, const control::Answer&) {
        model::StopServiceDeploymentResponse response;
        response.set_service_deployment_arn(arn);
        answered.reply(response);
      });
}

}  // namespace berth::api
