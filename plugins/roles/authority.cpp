// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/authority.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "plugins/roles/sts.hpp"

namespace berth::roles {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// What STS takes as a session's name.
bool is_session_name(const std::string& name) {
  return name.size() >= 2 && name.size() <= 64 && std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 ||
                  std::string_view("_=,.@-").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

}  // namespace

sdk::Result<v1::RoleCredentials> Authority::assume(const v1::AssumeRoleRequest& request,
                                                   std::stop_token stop) {
  const std::string& arn = request.role_arn();
  if (const auto at = config_.roles.find(arn); at != config_.roles.end()) {
    const auto keys = read_keys(at->second);
    if (!keys) return keys.error();
    v1::RoleCredentials out;
    out.set_role_arn(arn);
    out.set_access_key_id(keys->access_key_id);
    out.set_secret_access_key(keys->secret_access_key);
    out.set_session_token(keys->session_token);
    return out;
  }
  if (std::ranges::any_of(config_.assume,
                          [&](const auto& pattern) { return matches(pattern, arn); })) {
    return ask_sts(request, std::move(stop));
  }
  return sdk::fail(BERTH_NOT_FOUND,
                   "the role " + arn.substr(0, 200) + " is not known; set plugins.roles.role.\"" +
                       arn.substr(0, 200) + "\" or a pattern in plugins.roles.assume");
}

sdk::Result<v1::RoleCredentials> Authority::ask_sts(const v1::AssumeRoleRequest& request,
                                                    std::stop_token stop) {
  if (!is_session_name(request.session_name())) {
    return sdk::fail(BERTH_INVALID, "not a session's name", "session_name");
  }
  const StsSettings& sts = config_.sts;
  auto keys = read_keys(sts.keys);
  if (!keys) return keys.error();
  if (keys->access_key_id.empty()) {
    *keys = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
             environment("AWS_SESSION_TOKEN")};
  }
  if (keys->access_key_id.empty() || keys->secret_access_key.empty()) {
    return sdk::fail(
        BERTH_DENIED,
        "there are no credentials to ask STS with; set plugins.roles.sts.access_key_id and "
        "secret_access_key_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for berthd");
  }
  const std::string region = sts.region.empty() ? region_ : sts.region;
  StsRequest question{
      .endpoint = sts.endpoint.empty() ? "https://sts." + region + ".amazonaws.com" : sts.endpoint,
      .signing = {.access_key_id = keys->access_key_id,
                  .secret_access_key = keys->secret_access_key,
                  .session_token = keys->session_token,
                  .region = region,
                  .service = "sts"},
      .ca_pem = {},
      .role_arn = request.role_arn(),
      .session_name = request.session_name(),
      .external_id = sts.external_id,
      .duration_seconds = sts.duration_seconds};
  if (!sts.ca_file.empty()) {
    std::ifstream in(sts.ca_file);
    question.ca_pem.assign(std::istreambuf_iterator<char>(in), {});
    if (question.ca_pem.empty()) return sdk::fail(BERTH_PRECONDITION, "cannot read " + sts.ca_file);
  }
  return assume_role(client_, question, std::move(stop));
}

}  // namespace berth::roles
