// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/pull_grants.hpp"

#include <utility>

#include "core/daemon/task_roles.hpp"

namespace berth::daemon {
namespace {

constexpr milliseconds kLasts = std::chrono::hours(1);

}  // namespace

void PullGrants::add(const PluginName& plugin, const v1::PullImageRequest& request, Instant now) {
  if (request.execution_role_arn().empty() && request.credentials().empty()) return;
  const Key key{plugin, request.node_id(), request.image(), request.execution_role_arn(),
                request.credentials()};
  const auto [grant, first] = until_.insert_or_assign(key, now + kLasts);
  if (first) by_age_.emplace_back(now + kLasts, key);
  // One that was made again meanwhile has its turn later.
  while (!by_age_.empty() && by_age_.front().first <= now) {
    const Key due = std::move(by_age_.front().second);
    by_age_.pop_front();
    const auto at = until_.find(due);
    if (at->second <= now) {
      until_.erase(at);
    } else {
      by_age_.emplace_back(at->second, due);
    }
  }
}

bool PullGrants::cover(const PluginName& plugin, const v1::AuthorizeRequest& request,
                       Instant now) const {
  auto at = until_.lower_bound({plugin, request.node_id(), "", "", ""});
  for (; at != until_.end(); ++at) {
    const auto& [of, node, image, role, credentials] = at->first;
    if (of != plugin || node != request.node_id()) break;
    if (now < at->second && is_from(image, request.registry()) &&
        (request.execution_role_arn().empty() || role == request.execution_role_arn()) &&
        (request.credentials().empty() || credentials == request.credentials())) {
      return true;
    }
  }
  return false;
}

}  // namespace berth::daemon
