// SPDX-License-Identifier: Apache-2.0
// Tags of resources that exist already.
#include <algorithm>
#include <string_view>

#include "berth/model/ecs_services.pb.h"
#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/control/tagging.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kMemberOfCluster = "container-instance task service";
constexpr std::string_view kNotMade = "capacity-provider task-set daemon";

bool lists(std::string_view words, std::string_view word) {
  const std::string all = " " + std::string(words) + " ";
  return !word.empty() && all.find(" " + std::string(word) + " ") != std::string::npos;
}

tl::unexpected<Error> invalid(const std::string& why) {
  return fail(Errc::Invalid, why, Subject::Request, "resourceArn");
}

// "task" of "arn:aws:ecs:region:account:task/cluster/id".
std::string type_in(const std::string& arn) {
  if (!arn.starts_with("arn:")) return {};
  const std::size_t slash = arn.find('/');
  const std::size_t colon = arn.rfind(':', slash);
  return slash == std::string::npos ? std::string() : arn.substr(colon + 1, slash - colon - 1);
}

// What an ARN names. Errors: Invalid; Unimplemented for a kind of resource that Berth has not.
Result<control::Resource> resource_in(const std::string& arn, const std::string& operation) {
  const std::string type = type_in(arn);
  if (lists(kNotMade, type)) {
    return fail(Errc::Unimplemented,
                operation + ": there are no resources of the type " + type + " yet.",
                Subject::Feature, "resourceArn");
  }
  if (type == "task-definition") {
    auto id = parse_definition(arn);
    if (!id) return tl::unexpected(id.error());
    if (id->revision == 0) return invalid("Revision is missing.");
    return control::Resource(*id);
  }
  if (type != "cluster" && !lists(kMemberOfCluster, type)) {
    return invalid("Invalid identifier: " + arn);
  }
  auto name = parse_resource(arn, type);
  if (!name) return tl::unexpected(name.error());
  if (type == "cluster") return control::Resource(ClusterName(name->id));
  if (name->cluster.empty()) {
    return invalid("Long arn format must be used for tagging operations");
  }
  const ClusterName cluster(name->cluster);
  if (type == "task") return control::Resource(control::TaskName{cluster, TaskId(name->id)});
  if (type == "service") return control::Resource(ServiceId{cluster, ServiceName(name->id)});
  return control::Resource(control::InstanceName{cluster, NodeId(name->id)});
}

template <typename Response>
void answer_empty(const Call& call, const control::Answer&) {
  call.reply(Response());
}

}  // namespace

void tag_resource(const Call& call) {
  model::TagResourceRequest request;
  if (!call.read(request)) return;
  if (auto ok = check_tags(request.tags()); !ok) return call.refuse(ok.error());
  auto resource = resource_in(request.resource_arn(), "TagResource");
  if (!resource) return call.refuse(resource.error());
  call.submit(control::TagResource{*resource, {request.tags().begin(), request.tags().end()}},
              answer_empty<model::TagResourceResponse>);
}

void untag_resource(const Call& call) {
  model::UntagResourceRequest request;
  if (!call.read(request)) return;
  auto resource = resource_in(request.resource_arn(), "UntagResource");
  if (!resource) return call.refuse(resource.error());
  call.submit(
      control::TagResource{*resource, {}, {request.tag_keys().begin(), request.tag_keys().end()}},
      answer_empty<model::UntagResourceResponse>);
}

void list_tags_for_resource(const Call& call) {
  model::ListTagsForResourceRequest request;
  if (!call.read(request)) return;
  auto resource = resource_in(request.resource_arn(), "ListTagsForResource");
  if (!resource) return call.refuse(resource.error());
  call.query([resource = *resource](
                 const control::State& state) { return control::tags_of(state, resource); },
             [](const Call& answered, const std::vector<ecs::Tag>& tags) {
               model::ListTagsForResourceResponse response;
               response.mutable_tags()->Assign(tags.begin(), tags.end());
               answered.reply(response);
             });
}

}  // namespace berth::api
