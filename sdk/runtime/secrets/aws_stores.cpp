// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/secrets/aws_stores.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <optional>

#include "sdk/runtime/http/backoff.hpp"
#include "sdk/runtime/http/url.hpp"

namespace berth::runtime::secrets {
namespace {

namespace json = boost::json;

constexpr std::size_t kNamesOfACall = 10;  // GetParameters' own limit
constexpr std::size_t kMost = 1U << 20U;

std::string text_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string(text->data(), text->size()) : std::string{};
}

std::optional<json::object> parse(const std::string& body) {
  json::error_code error;
  json::value value = json::parse(body, error);
  if (error || !value.is_object()) return {};
  return std::move(value.get_object());
}

// "com.amazonaws.x#ResourceNotFoundException" -> "ResourceNotFoundException"
std::string type_of(const json::object& answer) {
  const std::string type = text_of(answer, "__type");
  return type.substr(type.find('#') == std::string::npos ? 0 : type.find('#') + 1);
}

sdk::Error refused(const http::Response& answer) {
  const auto object = parse(answer.body);
  const std::string type = object ? type_of(*object) : std::string{};
  std::string words = object ? text_of(*object, "message") : std::string{};
  if (object && words.empty()) words = text_of(*object, "Message");
  const auto status = answer.is_retryable() ? BERTH_UNAVAILABLE
                      : answer.status == 404 || type == "ResourceNotFoundException"
                          ? BERTH_NOT_FOUND
                          : BERTH_DENIED;
  const std::string head = type.empty() ? "status " + std::to_string(answer.status) : type;
  return sdk::fail(status, head + (words.empty() ? "" : ": " + words.substr(0, 500)));
}

bool names(const json::object& parameter, const std::string& id) {
  const std::string name = text_of(parameter, "Name");
  return name == id || text_of(parameter, "ARN") == id ||
         name + text_of(parameter, "Selector") == id;
}

}  // namespace

sdk::Result<http::Response> AwsStores::send(http::Request request, const Service& service,
                                            const Session& session) {
  request.aws = http::AwsSigning{.access_key_id = session.credentials.access_key_id(),
                                 .secret_access_key = session.credentials.secret_access_key(),
                                 .session_token = session.credentials.session_token(),
                                 .region = session.region,
                                 .service = service.name};
  request.connect_timeout = std::chrono::seconds{5};
  request.stall_timeout = std::chrono::seconds{10};
  request.max_body = kMost;
  request.cancel = session.stop;
  if (!settings_.ca_file.empty()) {
    std::ifstream in(settings_.ca_file);
    request.ca_pem.assign(std::istreambuf_iterator<char>(in), {});
    if (request.ca_pem.empty())
      return sdk::fail(BERTH_PRECONDITION, "cannot read " + settings_.ca_file);
  }
  http::Backoff backoff{{.attempts = 3,
                         .first = std::chrono::milliseconds{300},
                         .most_asked = std::chrono::milliseconds{5000}}};
  for (;;) {
    auto answer = client_.fetch(request);
    const bool passing = answer ? answer->is_retryable() : answer.error().is_retryable();
    const auto asked = answer ? answer->retry_after() : std::chrono::milliseconds{0};
    if (!passing || !backoff.wait(asked, session.stop)) return answer;
  }
}

sdk::Result<std::string> AwsStores::call(const Service& service, const std::string& target,
                                         std::string body, const Session& session) {
  const std::string url = service.endpoint.empty() ? std::string("https://") + service.name + "." +
                                                         session.region + ".amazonaws.com"
                                                   : service.endpoint;
  auto answer =
      send({.method = "POST",
            .url = url + "/",
            .headers = {{"Content-Type", "application/x-amz-json-1.1"}, {"X-Amz-Target", target}},
            .body = std::move(body)},
           service, session);
  if (!answer) return answer.error();
  if (answer->status != 200) return refused(*answer);
  return std::move(answer->body);
}

sdk::Result<std::map<std::string, std::string>> AwsStores::parameters(
    const std::vector<std::string>& ids, const Session& session) {
  std::map<std::string, std::string> out;
  std::string missing;
  for (std::size_t first = 0; first < ids.size(); first += kNamesOfACall) {
    json::array wanted;
    const std::size_t end = std::min(ids.size(), first + kNamesOfACall);
    for (std::size_t i = first; i < end; ++i) wanted.emplace_back(ids[i]);
    const json::object body{{"Names", std::move(wanted)}, {"WithDecryption", true}};
    const auto answer = call({"ssm", settings_.ssm_endpoint}, "AmazonSSM.GetParameters",
                             json::serialize(body), session);
    if (!answer) return answer.error();
    const auto object = parse(*answer);
    const json::value* list = object ? object->if_contains("Parameters") : nullptr;
    static const json::array kNone;
    const json::array& found = list && list->is_array() ? list->get_array() : kNone;
    for (std::size_t i = first; i < end; ++i) {
      const json::object* mine = nullptr;
      for (const json::value& one : found) {
        if (one.is_object() && names(one.get_object(), ids[i])) mine = &one.get_object();
      }
      if (mine) {
        out[ids[i]] = text_of(*mine, "Value");
      } else {
        missing += (missing.empty() ? "" : ",") + ids[i];
      }
    }
  }
  if (!missing.empty()) return sdk::fail(BERTH_NOT_FOUND, "invalid parameters: " + missing);
  return out;
}

sdk::Result<std::string> AwsStores::secret(const ValueFrom& from, const Session& session) {
  json::object body{{"SecretId", from.id}};
  if (!from.version_id.empty()) body["VersionId"] = from.version_id;
  if (!from.version_stage.empty()) body["VersionStage"] = from.version_stage;
  const auto answer = call({"secretsmanager", settings_.secretsmanager_endpoint},
                           "secretsmanager.GetSecretValue", json::serialize(body), session);
  if (!answer) return answer.error();
  const auto object = parse(*answer);
  const json::value* value = object ? object->if_contains("SecretString") : nullptr;
  const json::string* text = value ? value->if_string() : nullptr;
  if (!text) return sdk::fail(BERTH_INVALID, "the secret has no SecretString");
  return member_of(std::string(text->data(), text->size()), from.json_key);
}

sdk::Result<std::string> AwsStores::object(const std::string& bucket, const std::string& key,
                                           const Session& session) {
  const std::string base = settings_.s3_endpoint.empty()
                               ? "https://s3." + session.region + ".amazonaws.com"
                               : settings_.s3_endpoint;
  std::string path;
  for (std::size_t at = 0; at <= key.size();) {
    const auto slash = std::min(key.find('/', at), key.size());
    path += "/" + http::percent_encode(std::string_view(key).substr(at, slash - at));
    at = slash + 1;
  }
  // S3 wants to be told of the body, which a GET has none of: the SHA-256 of nothing.
  auto answer =
      send({.url = base + "/" + http::percent_encode(bucket) + path,
            .headers = {{"x-amz-content-sha256",
                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}},
           {"s3", settings_.s3_endpoint}, session);
  if (!answer) return answer.error();
  if (answer->status != 200) return refused(*answer);
  return std::move(answer->body);
}

}  // namespace berth::runtime::secrets
