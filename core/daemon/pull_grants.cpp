// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/pull_grants.hpp"

#include <algorithm>

#include "core/daemon/task_roles.hpp"

namespace berth::daemon {
namespace {

constexpr milliseconds kLasts = std::chrono::hours(1);

}  // namespace

void PullGrants::add(const PluginName& plugin, const v1::PullImageRequest& request, Instant now) {
  if (request.execution_role_arn().empty() && request.credentials().empty()) return;
  std::erase_if(until_, [now](const auto& grant) { return grant.second <= now; });
  until_[{plugin, request.node_id(), request.image(), request.execution_role_arn(),
          request.credentials()}] = now + kLasts;
}

bool PullGrants::cover(const PluginName& plugin, const v1::AuthorizeRequest& request,
                       Instant now) const {
  const auto first = until_.lower_bound({plugin, request.node_id(), "", "", ""});
  return std::any_of(first, until_.end(), [&](const auto& grant) {
    const auto& [of, node, image, role, credentials] = grant.first;
    return of == plugin && node == request.node_id() && now < grant.second &&
           is_from(image, request.registry()) &&
           (request.execution_role_arn().empty() || role == request.execution_role_arn()) &&
           (request.credentials().empty() || credentials == request.credentials());
  });
}

}  // namespace berth::daemon
