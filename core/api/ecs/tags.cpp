// SPDX-License-Identifier: Apache-2.0
// Tags of resources that exist already.
#include "berth/model/ecs_services.pb.h"
#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/operations.hpp"

namespace berth::api {
namespace {

// The service that an ARN names. Errors: Invalid; Unimplemented for a resource of another kind.
Result<ServiceId> service_in(const std::string& arn, const std::string& operation) {
  auto name = parse_resource(arn, "service");
  if (name && !name->cluster.empty()) {
    return ServiceId{ClusterName(name->cluster), ServiceName(name->id)};
  }
  for (const char* type : {"cluster", "task", "task-definition", "container-instance",
                           "capacity-provider", "task-set", "daemon"}) {
    if (arn.find(":" + std::string(type) + "/") == std::string::npos) continue;
    return fail(
        Errc::Unimplemented,
        operation + ": the tags of a " + type + " cannot be changed yet, those of services can.",
        Subject::Feature, "resourceArn");
  }
  return fail(Errc::Invalid, "Invalid identifier: " + arn, Subject::Request, "resourceArn");
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
  auto service = service_in(request.resource_arn(), "TagResource");
  if (!service) return call.refuse(service.error());
  call.submit(control::TagService{*service, {request.tags().begin(), request.tags().end()}},
              answer_empty<model::TagResourceResponse>);
}

void untag_resource(const Call& call) {
  model::UntagResourceRequest request;
  if (!call.read(request)) return;
  auto service = service_in(request.resource_arn(), "UntagResource");
  if (!service) return call.refuse(service.error());
  call.submit(
      control::TagService{*service, {}, {request.tag_keys().begin(), request.tag_keys().end()}},
      answer_empty<model::UntagResourceResponse>);
}

void list_tags_for_resource(const Call& call) {
  model::ListTagsForResourceRequest request;
  if (!call.read(request)) return;
  auto service = service_in(request.resource_arn(), "ListTagsForResource");
  if (!service) return call.refuse(service.error());
  call.query(
      [id = *service](const control::State& state) -> Result<ServicePtr> {
        ServicePtr found = state.service(id);
        if (!found || found->inactive()) {
          return fail(Errc::NotFound, "Service not found.", Subject::Service, id.name.str());
        }
        return found;
      },
      [](const Call& answered, const ServicePtr& found) {
        model::ListTagsForResourceResponse response;
        *response.mutable_tags() = found->data.tags();
        answered.reply(response);
      });
}

}  // namespace berth::api
