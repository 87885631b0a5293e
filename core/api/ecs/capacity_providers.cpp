// SPDX-License-Identifier: Apache-2.0
// Capacity providers: those that launch type plugins bring, and which of them a cluster has.
#include <algorithm>

#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kPage = 10;  // as ECS

Error invalid(std::string text, std::string member) {
  return {Errc::Invalid, std::move(text), Subject::Request, std::move(member)};
}

model::CapacityProvider show_provider(const std::string& name, const Realm& realm) {
  model::CapacityProvider shown;
  shown.set_capacity_provider_arn(realm.capacity_provider_arn(name));
  shown.set_name(name);
  shown.set_status("ACTIVE");
  return shown;
}

// Names and ARNs; all where the call names none.
Result<std::vector<std::string>> names_of(const model::DescribeCapacityProvidersRequest& request,
                                          const std::vector<std::string>& known) {
  if (request.capacity_providers().empty()) return known;
  std::vector<std::string> names;
  for (const std::string& text : request.capacity_providers()) {
    auto name = parse_resource(text, "capacity-provider");
    if (!name) return tl::unexpected(name.error());
    if (std::ranges::find(names, name->id) == names.end()) names.push_back(name->id);
  }
  return names;
}

void describe(const Call& call, const model::DescribeCapacityProvidersRequest& request,
              const std::vector<std::string>& known) {
  const auto names = names_of(request, known);
  if (!names) return call.refuse(names.error());
  const std::string binding = page_binding(request);
  std::string after;
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after = *key;
  }
  const int size = request.has_max_results() ? request.max_results() : kPage;
  std::vector<std::string> sorted = *names;
  std::ranges::sort(sorted);
  model::DescribeCapacityProvidersResponse response;
  for (const std::string& name : sorted) {
    if (name <= after) continue;
    if (response.capacity_providers_size() + response.failures_size() == size) {
      response.set_next_token(make_token(binding, after));
      break;
    }
    after = name;
    if (std::ranges::find(known, name) != known.end()) {
      *response.add_capacity_providers() = show_provider(name, call.realm());
    } else {
      *response.add_failures() = missing(call.realm().capacity_provider_arn(name));
    }
  }
  call.reply(response);
}

}  // namespace

void put_cluster_capacity_providers(const Call& call) {
  model::PutClusterCapacityProvidersRequest request;
  json::Decoded decoded;
  if (!call.read(request, Subject::Request, &decoded)) return;
  // Both are replaced as a whole, and may be empty: who means that says so.
  for (const char* member : {"capacityProviders", "defaultCapacityProviderStrategy"}) {
    if (decoded.present.contains(member)) continue;
    return call.refuse(invalid(std::string(member) + " should not be null.", member));
  }
  auto name = cluster_of(call.backend(), true, request.cluster());
  if (!name) return call.refuse(name.error());
  request.set_cluster(name->str());
  for (std::string& provider : *request.mutable_capacity_providers()) {
    auto one = parse_resource(provider, "capacity-provider");
    if (!one) return call.refuse(one.error());
    provider = one->id;
  }
  call.submit(control::PutClusterProviders{std::move(request)}, [](const Call& answered,
                                                                   const control::Answer& answer) {
    answered.query([cluster = std::get<ClusterPtr>(answer)](
                       const control::State& state) { return cluster_view(state, cluster); },
                   [](const Call& last, const ClusterView& view) {
                     model::PutClusterCapacityProvidersResponse response;
                     *response.mutable_cluster() =
                         show_cluster(view, last.realm(), {.settings = true, .tags = true});
                     last.reply(response);
                   });
  });
}

void describe_capacity_providers(const Call& call) {
  model::DescribeCapacityProvidersRequest request;
  if (!call.read(request)) return;
  control::ListProviders command;
  if (request.has_cluster()) {
    auto cluster = cluster_of(call.backend(), true, request.cluster());
    if (!cluster) return call.refuse(cluster.error());
    command.cluster = *std::move(cluster);
  }
  call.submit(std::move(command), [request](const Call& answered, const control::Answer& answer) {
    describe(answered, request, std::get<control::ProvidersAnswer>(answer).names);
  });
}

void create_capacity_provider(const Call& call) {
  model::CreateCapacityProviderRequest request;
  if (!call.read(request)) return;
  std::string lower = request.name();
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* reserved : {"aws", "ecs", "fargate"}) {
    if (!lower.starts_with(reserved)) continue;
    return call.refuse(
        invalid("The specified capacity provider name is invalid. The name cannot be prefixed with "
                "aws, ecs, or fargate.",
                "name"));
  }
  call.refuse(unsupported(
      "CreateCapacityProvider: capacity providers are what launch type plugins bring; there are no "
      "Auto Scaling groups to make one of."));
}

void delete_capacity_provider(const Call& call) {
  model::DeleteCapacityProviderRequest request;
  if (!call.read(request)) return;
  auto name = parse_resource(request.capacity_provider(), "capacity-provider");
  if (!name) return call.refuse(name.error());
  call.submit(control::ListProviders{},
              [name = name->id](const Call& answered, const control::Answer& answer) {
                const auto& known = std::get<control::ProvidersAnswer>(answer).names;
                const bool there = std::ranges::find(known, name) != known.end();
                answered.refuse(invalid(
                    there ? "The specified capacity provider is reserved and cannot be deleted."
                          : "The specified capacity provider was not found.",
                    "capacityProvider"));
              });
}

}  // namespace berth::api
