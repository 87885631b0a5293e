// SPDX-License-Identifier: Apache-2.0
// For each task group the last call that left tasks without a place, so that it can be asked about
// later.
//
// Kept in memory only, for the groups that failed last. Threads: loop.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/control/commands.hpp"

namespace berth::control {

class Unplaced {
 public:
  static constexpr std::size_t kMaxGroups = 256;

  void record(UnplacedTasks one);
  // Null where none is known.
  [[nodiscard]] std::shared_ptr<const UnplacedTasks> last(const ClusterName& cluster,
                                                          const std::string& group) const;

 private:
  using Key = std::pair<ClusterName, std::string>;
  std::map<Key, std::shared_ptr<const UnplacedTasks>> kept_;
  std::deque<Key> oldest_first_;
};

}  // namespace berth::control
