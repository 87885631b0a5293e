// SPDX-License-Identifier: Apache-2.0
// Whether a service's tasks lie unevenly over Availability Zones, and what to start about it: in
// the emptiest zone first, within the upper bound; the fullest zone gives one up by scale-in once
// the new one is healthy. Pure.
//
// What it promises (rebalance_test.cpp holds it to that): nothing is started while anything else is
// under way; starts never bring the tasks over the upper bound; a started task makes room for one
// that may be stopped in a zone with at least two more, so that each move lessens the difference
// and there is an end. Threads: any.
#pragma once

#include <string>
#include <vector>

namespace berth::control {

struct ZoneTasks {
  std::string zone;
  int tasks = 0;     // that are not to stop, on instances that are not draining
  int movable = 0;   // of these: healthy, and not protected
  bool open = true;  // a task may find a place there, as far as is known
};

struct ZonePicture {
  // Nothing but the PRIMARY deployment, COMPLETED, with its desired count of healthy tasks.
  bool settled = false;
  int total = 0;                 // tasks that are not to stop
  int upper = 0;                 // how many there may be
  std::vector<ZoneTasks> zones;  // with tasks or with instances that could have some
};

struct Rebalancing {
  int start = 0;
  std::string zone;       // where
  bool balanced = false;  // no zone has two tasks more than another
};

[[nodiscard]] Rebalancing rebalance(const ZonePicture& picture);

}  // namespace berth::control
