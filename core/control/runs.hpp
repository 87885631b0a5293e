// SPDX-License-Identifier: Apache-2.0
// RunTask: from the request to tasks that are placed, recorded and on their way.
//
// It has two halves. Before: names, routes, plans; this may take several ticks, and nothing is
// reserved meanwhile. After: place, record, answer; one tick, and what changed in between is looked
// at again. Threads: loop.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/control/launches.hpp"
#include "core/control/networks.hpp"
#include "core/control/placer.hpp"
#include "core/control/reclaims.hpp"
#include "core/control/retention.hpp"
#include "core/control/routes.hpp"

namespace berth::control {

class Runs {
 public:
  struct Rooms {
    Desk& desk;
    Routes& routes;
    Networks& networks;
    Launches& launches;
    Retention& retention;
    Reclaims& reclaims;
  };
  explicit Runs(Rooms rooms) : rooms_(rooms) {}

  void run(RunTask command, Reply reply);

 private:
  struct Run {
    Launches::Call call;
    RoutesPtr routes;
    std::string digest;
    std::vector<Reply> replies;
  };
  using RunPtr = std::shared_ptr<Run>;

  [[nodiscard]] Result<void> check(const model::RunTaskRequest& request) const;
  // True where the token has answered or taken over the reply.
  [[nodiscard]] bool known_token(const RunPtr& run, const Reply& reply);
  void place(const RunPtr& run);
  [[nodiscard]] Result<RunTaskAnswer> place_all(const Run& run);
  void record_token(const Run& run, const RunTaskAnswer& answer);
  void finish(const RunPtr& run, const Result<RunTaskAnswer>& answer);

  Rooms rooms_;
  std::map<std::string, std::weak_ptr<Run>> tokens_under_way_;
};

}  // namespace berth::control
