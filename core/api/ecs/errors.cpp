// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/errors.hpp"

#include "core/api/json/value.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kCoral = "com.amazon.coral.service#";
constexpr const char* kContentType = "application/x-amz-json-1.1";

std::string contents_exception(const std::string& what) {
  if (what == "tasks") return "ClusterContainsTasksException";
  if (what == "services") return "ClusterContainsServicesException";
  if (what == "capacity providers") return "ClusterContainsCapacityProviderException";
  return "ClusterContainsContainerInstancesException";
}

// The exception of a failure that the caller can mend, by what it concerns.
std::string client_fault(const Error& error) {
  const bool missing = error.code == Errc::NotFound;
  switch (error.subject) {
    case Subject::Cluster:
      return missing ? "ClusterNotFoundException" : "ClientException";
    case Subject::Service:
      if (missing) return "ServiceNotFoundException";
      return error.code == Errc::Precondition ? "ServiceNotActiveException"
                                              : "InvalidParameterException";
    case Subject::ServiceDeployment:
      return missing ? "ServiceDeploymentNotFoundException" : "ConflictException";
    case Subject::TaskDefinition:
    case Subject::Definition:
      return "ClientException";
    case Subject::ClientToken:
      return "ConflictException";
    case Subject::ClusterContents:
      return contents_exception(error.what);
    case Subject::Feature:
      return "UnsupportedFeatureException";
    case Subject::Platform:
      return missing ? "PlatformUnknownException"
                     : "PlatformTaskDefinitionIncompatibilityException";
    case Subject::Target:
      return missing ? "TargetNotFoundException" : "InvalidParameterException";
    case Subject::AttributeLimit:
      return "AttributeLimitExceededException";
    case Subject::InUse:
      return "ResourceInUseException";
    case Subject::TagLimit:
      return "LimitExceededException";
    case Subject::Task:
    case Subject::ContainerInstance:
    case Subject::Request:
      return "InvalidParameterException";
    case Subject::None:
    case Subject::Store:
    case Subject::Plugin:
      break;
  }
  return error.code == Errc::Invalid ? "InvalidParameterException" : "ClientException";
}

}  // namespace

Exception exception_of(const Error& error) {
  switch (error.code) {
    case Errc::NotFound:
    case Errc::AlreadyExists:
    case Errc::Invalid:
    case Errc::Precondition:
    case Errc::NoCapacity:
      return {client_fault(error), 400, error.message, error.ids};
    case Errc::Denied:
      return {"AccessDeniedException", 400, error.message};
    case Errc::Unimplemented:
      return unsupported(error.message);
    case Errc::Unavailable:
    case Errc::Deadline:
    case Errc::Cancelled:
      return {"ServerException", 503, error.message};
    case Errc::Internal:
      break;
  }
  return {"ServerException", 500, error.message};
}

Exception serialization_exception(const Error& error) {
  return front_end_exception("SerializationException", error.message);
}

Exception front_end_exception(const std::string& name, std::string message) {
  return {std::string(kCoral) + name, 400, std::move(message)};
}

Exception unsupported(std::string message) {
  return {"UnsupportedFeatureException", 400, std::move(message)};
}

http::Response to_response(const Exception& exception) {
  std::string body = "{\"__type\":";
  json::write_string(body, exception.type);
  if (!exception.message.empty()) {
    // Coral capitalises the member where it could not read the input; SDKs take both.
    body += exception.type.ends_with("SerializationException") ? ",\"Message\":" : ",\"message\":";
    json::write_string(body, exception.message);
  }
  if (!exception.resource_ids.empty()) {
    body += ",\"resourceIds\":[";
    for (const std::string& id : exception.resource_ids) {
      if (&id != &exception.resource_ids.front()) body += ',';
      json::write_string(body, id);
    }
    body += ']';
  }
  body += '}';
  const std::size_t name = exception.type.find('#');
  return {.status = exception.status,
          .content_type = kContentType,
          .body = std::move(body),
          .headers = {{"x-amzn-errortype",
                       exception.type.substr(name == std::string::npos ? 0 : name + 1)}}};
}

}  // namespace berth::api
