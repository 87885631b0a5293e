// SPDX-License-Identifier: Apache-2.0
// What every room of the control core works on: the records and how they are changed, time, chance,
// the way out.
//
// Invariant: a record changes only through save and erase, so that state and store never differ in
// what was handed over. Threads: loop.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/control/alarms.hpp"
#include "core/control/control.hpp"
#include "core/control/outbox.hpp"
#include "core/control/state.hpp"

namespace berth::control {

class Desk {
 public:
  Desk(Config config, Ports& ports);

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] Rng& rng() { return rng_; }
  [[nodiscard]] Alarms& alarms() { return alarms_; }
  [[nodiscard]] Outbox& outbox() { return outbox_; }

  // Work for this tick, or for the next one where it comes from outside; in order.
  using Inputs = std::deque<std::function<void()>>;
  [[nodiscard]] std::weak_ptr<Inputs> inputs() const { return inputs_; }
  void input(std::function<void()> work) { inputs_->push_back(std::move(work)); }

  void advance(Instant now) { now_ = std::max(now_, now); }

  void save(Cluster cluster);
  void save(TaskDefinition definition);
  void save(Task task);
  void save(ContainerInstance instance);
  void save(ClientToken token);
  void save(Service service);
  void save(ServiceDeployment deployment);
  void save_revision(const FamilyName& family, std::int32_t last_revision);
  void erase_task(const TaskId& id);
  void erase_instance(const NodeId& id);
  void erase_token(const std::string& key);
  void erase_service(const ServiceId& id);  // and its deployments
  void erase_deployment(const ServiceId& service, const DeploymentNumber& number);

  // For what need not survive a restart: pull progress, the newest sequence of a report that shows
  // nothing new.
  void show(Task task);
  void show(WaitingNode node);
  void hide_waiting(const NodeId& id);
  void hold(const NodeId& id) { state_.hold(id); }
  void release(const NodeId& id) { state_.release(id); }

  // Something an operator should read; without effect on anything.
  void warn(const std::string& text) const;

  // Takes over records at the beginning, without storing them.
  [[nodiscard]] Result<void> restore(const store::Loaded& loaded);

  // Answers once all that was recorded so far is durable.
  void answer(const Reply& reply, Result<Answer> answer);

 private:
  [[nodiscard]] Result<void> restore_one(const store::Record& record);

  Config config_;
  State state_;
  Instant now_{};
  Rng& rng_;
  std::function<void(const std::string&)> warn_;
  Alarms alarms_;
  Outbox outbox_;
  std::shared_ptr<Inputs> inputs_ = std::make_shared<Inputs>();
};

}  // namespace berth::control
