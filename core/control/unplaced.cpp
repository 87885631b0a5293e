// SPDX-License-Identifier: Apache-2.0
#include "core/control/unplaced.hpp"

#include <algorithm>

namespace berth::control {

void Unplaced::record(UnplacedTasks one) {
  const Key key{one.cluster, one.group};
  std::erase(oldest_first_, key);
  oldest_first_.push_back(key);
  kept_[key] = std::make_shared<const UnplacedTasks>(std::move(one));
  if (oldest_first_.size() <= kMaxGroups) return;
  kept_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

std::shared_ptr<const UnplacedTasks> Unplaced::last(const ClusterName& cluster,
                                                    const std::string& group) const {
  const auto at = kept_.find({cluster, group});
  return at == kept_.end() ? nullptr : at->second;
}

}  // namespace berth::control
