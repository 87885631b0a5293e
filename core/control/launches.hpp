// SPDX-License-Identifier: Apache-2.0
// From a place to a task that is recorded and on its way, whichever operation found the place; and
// what is said of the tasks that found none.
//
// Threads: loop.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/control/delivery.hpp"
#include "core/control/networks.hpp"
#include "core/control/placer.hpp"
#include "core/control/plugins.hpp"
#include "core/control/routes.hpp"
#include "core/control/tasks.hpp"
#include "core/control/unplaced.hpp"

namespace berth::control {

class Launches {
 public:
  struct Rooms {
    Desk& desk;
    Plugins& plugins;
    Placer& placer;
    Networks& networks;
    Tasks& tasks;
    Delivery& delivery;
    Unplaced& unplaced;
  };
  explicit Launches(Rooms rooms) : rooms_(rooms) {}

  // What one call makes tasks of.
  struct Call {
    std::string operation;  // "RunTask", "StartTask", "service"
    model::RunTaskRequest request;
    ClusterPtr cluster;
    TaskDefinitionPtr definition;
    std::string token_key;  // empty: no clientToken
    int count = 0;
    // Of a service's tasks.
    ServiceName service{};
    DeploymentNumber deployment{};
    std::map<std::string, std::string> pinned_digests{};  // by container
  };

  // What has come of a call so far.
  struct Taken {
    RunTaskAnswer answer;
    std::vector<Failure> failures;  // each instance once, however many tasks are missing
    std::vector<RefusalCount> refusals;
  };
  // Makes a task of each place, and a failure of each examined instance and missing task. A place
  // for which no address is left is given back.
  void take(const Call& call, const Route& route, const Placer::Outcome& outcome, Taken& taken);
  // One task will not be: no node was asked.
  static void fail(Failure failure, Taken& taken);
  // All is taken: where tasks are missing, it is kept why, for ExplainTask.
  void close(const Call& call, const Taken& taken);
  // The call was refused as a whole for want of nodes.
  void refuse(const Call& call, const Error& error);

 private:
  TaskPtr make_task(const Call& call, const Route& route, const Placer::Place& place,
                    std::optional<v1::TaskInterface> interface);
  [[nodiscard]] UnplacedTasks about(const Call& call) const;

  Rooms rooms_;
};

}  // namespace berth::control
