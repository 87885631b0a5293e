// SPDX-License-Identifier: Apache-2.0
// The commands that make, change and end services.
//
// A command that begins a deployment first asks the plugins for their plans (several ticks, nothing
// changed meanwhile), so that what can never run is refused at once and not by events. What may
// change meanwhile is looked at again after. Threads: loop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/control/nodes.hpp"
#include "core/control/retention.hpp"
#include "core/control/services/services.hpp"

namespace berth::control {

class ServiceCommands {
 public:
  struct Rooms {
    Desk& desk;
    Routes& routes;
    Networks& networks;
    Tasks& tasks;
    Nodes& nodes;
    Rollouts& rollouts;
    Services& services;
    Retention& retention;
  };
  explicit ServiceCommands(Rooms rooms) : rooms_(rooms) {}

  // INACTIVE services are described for as long as stopped tasks are.
  void restore();
  void service_ended(const ServiceId& id);

  void create(CreateService command, Reply reply);
  void update(UpdateService command, Reply reply);
  void remove(const DeleteService& command, const Reply& reply);
  void stop_deployment(const StopServiceDeployment& command, const Reply& reply);
  void protect(const UpdateTaskProtection& command, const Reply& reply);
  void set_instances(const UpdateInstancesState& command, const Reply& reply);

 private:
  using Then = std::function<void(Result<void>)>;
  // Whether the plugins can run it; where none of them is there to ask, yes.
  void check_runnable(const model::RunTaskRequest& request, const ClusterPtr& cluster,
                      const TaskDefinitionPtr& definition, Then then);
  // The service of that name where it exists and is not INACTIVE.
  [[nodiscard]] Result<ServicePtr> find(const std::string& cluster, const std::string& name) const;
  [[nodiscard]] Result<ServicePtr> make(const CreateService& command,
                                        model::StoredService settings);
  // What the request's client token stands for already; nothing: it is free.
  [[nodiscard]] std::optional<Result<ServicePtr>> by_token(const CreateService& command) const;
  void record_token(const CreateService& command);
  [[nodiscard]] Result<ServicePtr> existing(const ServiceId& id, const std::string& digest) const;
  void apply(const UpdateService& command, const ServiceId& id, const Reply& reply);
  void answer(const Reply& reply, const Result<ServicePtr>& service);

  Rooms rooms_;
};

}  // namespace berth::control
