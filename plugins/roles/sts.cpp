// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/sts.hpp"

#include <time.h>

#include <algorithm>

#include "sdk/runtime/http/backoff.hpp"
#include "sdk/runtime/http/url.hpp"

namespace berth::roles {
namespace {

namespace http = runtime::http;

// The text of the first element of that name, its entities resolved; empty where there is none.
std::string element(std::string_view xml, const std::string& name) {
  const std::string open = "<" + name + ">";
  const auto begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const auto end = xml.find("</" + name + ">", begin);
  if (end == std::string_view::npos) return {};
  std::string text(xml.substr(begin + open.size(), end - begin - open.size()));
  constexpr std::pair<const char*, char> kEntities[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}};
  for (const auto& [entity, character] : kEntities) {
    const std::string_view word(entity);
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      text.replace(at, word.size(), 1, character);
    }
  }
  return text;
}

// "2026-01-02T03:04:05Z", with or without a fraction; 0: none.
std::int64_t time_ms(const std::string& text) {
  tm parts{};
  const char* const rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!rest || (*rest != 'Z' && *rest != '.')) return 0;
  return std::int64_t{::timegm(&parts)} * 1000;
}

std::string form_of(const StsRequest& request) {
  std::string form =
      "Action=AssumeRole&Version=2011-06-15&RoleArn=" + http::percent_encode(request.role_arn) +
      "&RoleSessionName=" + http::percent_encode(request.session_name) +
      "&DurationSeconds=" + std::to_string(request.duration_seconds);
  if (!request.external_id.empty())
    form += "&ExternalId=" + http::percent_encode(request.external_id);
  return form;
}

}  // namespace

sdk::Result<v1::RoleCredentials> read_assumed(std::string_view xml) {
  v1::RoleCredentials out;
  const std::string credentials = element(xml, "Credentials");
  out.set_access_key_id(element(credentials, "AccessKeyId"));
  out.set_secret_access_key(element(credentials, "SecretAccessKey"));
  out.set_session_token(element(credentials, "SessionToken"));
  out.set_expires_at_ms(time_ms(element(credentials, "Expiration")));
  if (out.access_key_id().empty() || out.secret_access_key().empty() ||
      out.session_token().empty() || out.expires_at_ms() <= 0) {
    return sdk::fail(BERTH_PRECONDITION, "STS answered without credentials");
  }
  return out;
}

sdk::Result<v1::RoleCredentials> assume_role(http::Client& client, const StsRequest& request,
                                             std::stop_token stop) {
  const http::Request question{
      .method = "POST",
      .url = request.endpoint + "/",
      .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
      .body = form_of(request),
      .ca_pem = request.ca_pem,
      .aws = request.signing,
      .connect_timeout = std::chrono::seconds{5},
      .stall_timeout = std::chrono::seconds{10},
      .max_body = 1U << 20U,
      .cancel = stop};
  http::Backoff backoff{{.attempts = 3,
                         .first = std::chrono::milliseconds{300},
                         .most_asked = std::chrono::milliseconds{5000}}};
  for (;;) {
    const auto answer = client.fetch(question);
    const bool passing = answer ? answer->is_retryable() : answer.error().is_retryable();
    const auto asked = answer ? answer->retry_after() : std::chrono::milliseconds{0};
    if (passing && backoff.wait(asked, stop)) continue;
    if (!answer) return answer.error();
    if (answer->status == 200) {
      auto credentials = read_assumed(answer->body);
      if (credentials) credentials->set_role_arn(request.role_arn);
      return credentials;
    }
    const std::string words =
        element(answer->body, "Code") + ": " + element(answer->body, "Message");
    return sdk::fail(passing ? BERTH_UNAVAILABLE : BERTH_DENIED,
                     "STS answered " + std::to_string(answer->status) + " " + words.substr(0, 500));
  }
}

}  // namespace berth::roles
