// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/role_link.hpp"

#include <string>
#include <utility>

#include "berth/v1/plugin.pb.h"
#include "sdk/fleet/client.hpp"

namespace berth::runtime {
namespace {

sdk::Result<v1::RoleCredentials> read_answer(berth_status status, const std::string& response) {
  if (status == BERTH_OK) {
    v1::RoleCredentials credentials;
    if (credentials.ParseFromString(response) && !credentials.access_key_id().empty())
      return credentials;
    return sdk::fail(BERTH_INTERNAL, "the control plane's answer cannot be read");
  }
  v1::Failure failure;
  if (!failure.ParseFromString(response) || failure.message().empty()) {
    failure.set_message(status == BERTH_DEADLINE ? "the control plane does not answer"
                                                 : "the control plane gave no reason");
  }
  return sdk::fail(status, failure.message(), failure.field());
}

}  // namespace

Roles::Source ask_for_roles(fleet::Client& client, std::chrono::milliseconds patience) {
  return [&client, patience](const v1::TaskCredentialsRequest& request, Roles::Answer answer) {
    v1::Ask question;
    question.mutable_task_credentials()->set_request(request.SerializeAsString());
    client.ask(std::move(question), patience,
               [answer = std::move(answer)](berth_status status, const std::string& response) {
                 answer(read_answer(status, response));
               });
  };
}

}  // namespace berth::runtime
