// SPDX-License-Identifier: Apache-2.0
// PlanTask and ExplainTask: where tasks would go, and why one is where it is.
//
// Invariant: a question changes no later answer. What it reserves it gives back before it returns,
// it draws no chance and records nothing. Threads: loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/control/networks.hpp"
#include "core/control/placer.hpp"
#include "core/control/routes.hpp"
#include "core/control/unplaced.hpp"

namespace berth::control {

class Questions {
 public:
  static constexpr int kMaxCount = 10'000;

  struct Rooms {
    Desk& desk;
    Plugins& plugins;
    Routes& routes;
    Placer& placer;
    Networks& networks;
    const Unplaced& unplaced;
  };
  explicit Questions(Rooms rooms) : rooms_(rooms) {}

  void plan(const PlanTask& command, Reply reply);
  void explain(const ExplainTask& command, Reply reply);

 private:
  struct Plan {
    model::RunTaskRequest request;
    ClusterPtr cluster;
    TaskDefinitionPtr definition;  // null: bare needs
    RoutesPtr routes;
    int count = 1;
    Reply reply;
  };
  struct Why {
    ClusterPtr cluster;
    TaskPtr task;
    model::RunTaskRequest request;  // as its task might have been asked for
    RoutesPtr routes;
    Reply reply;
  };

  [[nodiscard]] Result<PlanTaskAnswer> try_out(const Plan& plan);
  void explain_group(const Cluster& cluster, const std::string& group, const Reply& reply);
  [[nodiscard]] Result<ExplainTaskAnswer> survey(const Why& why);
  [[nodiscard]] TaskPlace place_of(const ClusterName& cluster, const NodeId& node,
                                   const PluginName& plugin) const;
  void answer(const Reply& reply, Result<Answer> answer) {
    rooms_.desk.answer(reply, std::move(answer));
  }

  Rooms rooms_;
};

}  // namespace berth::control
