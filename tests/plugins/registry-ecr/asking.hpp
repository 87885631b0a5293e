// SPDX-License-Identifier: Apache-2.0
// Questions to an Authority, answered in line.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <string>

#include "plugins/registry-ecr/authority.hpp"

namespace berth::registry_ecr {

inline std::unique_ptr<Authority> authority_of(const std::map<std::string, std::string>& values,
                                               const std::string& region = "us-east-1") {
  sdk::Settings settings{values};
  return std::make_unique<Authority>(read_config(settings), region);
}

inline sdk::Result<v1::AuthorizeResponse> ask(Authority& authority,
                                              const v1::AuthorizeRequest& request) {
  std::promise<sdk::Result<v1::AuthorizeResponse>> out;
  authority.authorize(
      request, [&](const sdk::Result<v1::AuthorizeResponse>& answer) { out.set_value(answer); });
  auto future = out.get_future();
  if (future.wait_for(std::chrono::seconds{30}) != std::future_status::ready) {
    return sdk::fail(BERTH_INTERNAL, "no answer");
  }
  return future.get();
}

struct Question {
  std::string registry;
  std::string endpoint{};  // empty: http://registry
  std::string challenge{};
  std::string rejected{};
  std::string credentials{};
  std::string repository = "team/app";
};

inline v1::AuthorizeRequest request_of(const Question& question) {
  v1::AuthorizeRequest out;
  out.set_registry(question.registry);
  out.set_repository(question.repository);
  out.set_endpoint_url(question.endpoint.empty() ? "http://" + question.registry
                                                 : question.endpoint);
  out.set_challenge(question.challenge);
  out.set_rejected_header(question.rejected);
  out.set_credentials(question.credentials);
  return out;
}

// The header, or "STATUS: message".
inline std::string header_for(Authority& authority, const Question& question) {
  const auto answer = ask(authority, request_of(question));
  return answer ? answer->header()
                : std::to_string(answer.error().status) + ": " + answer.error().message;
}

}  // namespace berth::registry_ecr
