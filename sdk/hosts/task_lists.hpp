// SPDX-License-Identifier: Apache-2.0
// What agents hold: LIST_OWNED to several of them at once, each page by page.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "sdk/fleet/server.hpp"

namespace berth::hosts {

struct ListedNode {
  std::vector<v1::TaskReport> tasks;
  bool reachable = false;  // it has told all of them
};
using TaskLists = std::map<std::string, ListedNode>;  // by node id

// `done` once, with an entry for each of `node_ids`, after `patience` at the latest; on the fleet's
// loop or at once.
void list_tasks(fleet::Server& fleet, const std::vector<std::string>& node_ids,
                std::chrono::milliseconds patience, std::function<void(TaskLists)> done);

}  // namespace berth::hosts
