// SPDX-License-Identifier: Apache-2.0
#include "core/control/desk.hpp"

#include <map>

#include "core/model/stored.hpp"

namespace berth::control {
namespace {

// An answer shows what tasks run on beside them: looking it up later would cost a second visit to
// the loop.
void add_instances(const State& state, Answer& answer) {
  if (auto* ran = std::get_if<RunTaskAnswer>(&answer)) {
    for (const TaskPtr& task : ran->tasks) ran->instances.push_back(state.instance(task->node));
  }
  if (auto* watched = std::get_if<WatchTaskAnswer>(&answer)) {
    watched->instance = state.instance(watched->task->node);
  }
}

}  // namespace

using store::Kind;

Desk::Desk(Config config, Ports& ports)
    : config_(std::move(config)),
      rng_(ports.rng),
      warn_(ports.warn),
      outbox_({.store = ports.store, .post = ports.post, .halt = ports.halt}) {}

void Desk::save(Cluster cluster) {
  outbox_.record({Kind::Cluster, cluster.name.str(), stored::encode(cluster)});
  state_.put(std::make_shared<const Cluster>(std::move(cluster)));
}

void Desk::save(TaskDefinition definition) {
  outbox_.record({Kind::Definition, stored::key_of(definition.id), stored::encode(definition)});
  state_.put(std::make_shared<const TaskDefinition>(std::move(definition)));
}

void Desk::save(Task task) {
  outbox_.record({Kind::Task, task.id.str(), stored::encode(task)});
  state_.put(std::make_shared<const Task>(std::move(task)));
}

void Desk::save(ContainerInstance instance) {
  outbox_.record({Kind::Instance, instance.id.str(), stored::encode(instance)});
  state_.put(std::make_shared<const ContainerInstance>(std::move(instance)));
}

void Desk::save(ClientToken token) {
  outbox_.record({Kind::Token, token.key, stored::encode(token)});
  state_.put(std::make_shared<const ClientToken>(std::move(token)));
}

void Desk::save(Service service) {
  outbox_.record({Kind::Service, stored::key_of(service.id), stored::encode(service)});
  state_.put(std::make_shared<const Service>(std::move(service)));
}

void Desk::save(ServiceDeployment deployment) {
  outbox_.record({Kind::Deployment, stored::key_of(deployment.service, deployment.number),
                  stored::encode(deployment)});
  state_.put(std::make_shared<const ServiceDeployment>(std::move(deployment)));
}

void Desk::save_revision(const FamilyName& family, std::int32_t last_revision) {
  outbox_.record({Kind::Family, family.str(), stored::encode_family(family, last_revision)});
  state_.set_last_revision(family, last_revision);
}

void Desk::erase_task(const TaskId& id) {
  outbox_.record({Kind::Task, id.str(), {}, true});
  state_.erase_task(id);
}

void Desk::erase_instance(const NodeId& id) {
  outbox_.record({Kind::Instance, id.str(), {}, true});
  state_.erase_instance(id);
}

void Desk::erase_token(const std::string& key) {
  outbox_.record({Kind::Token, key, {}, true});
  state_.erase_token(key);
}

void Desk::erase_service(const ServiceId& id) {
  for (const auto& [number, deployment] : state_.deployments_of(id)) {
    outbox_.record({Kind::Deployment, stored::key_of(id, number), {}, true});
  }
  outbox_.record({Kind::Service, stored::key_of(id), {}, true});
  state_.erase_service(id);
}

void Desk::erase_deployment(const ServiceId& service, const DeploymentNumber& number) {
  outbox_.record({Kind::Deployment, stored::key_of(service, number), {}, true});
  state_.erase_deployment(service, number);
}

void Desk::show(Task task) {
  state_.put(std::make_shared<const Task>(std::move(task)));
}

void Desk::show(WaitingNode node) {
  state_.put(std::move(node));
}

void Desk::hide_waiting(const NodeId& id) {
  state_.erase_waiting(id);
}

void Desk::warn(const std::string& text) const {
  if (warn_) warn_(text);
}

Result<void> Desk::restore(const store::Loaded& loaded) {
  outbox_.begin(loaded.epoch);
  std::map<std::pair<Kind, std::string>, std::string> records;
  for (const auto& record : loaded.snapshot) records[{record.kind, record.key}] = record.value;
  for (const auto& batch : loaded.tail) {
    for (const auto& change : batch) {
      if (change.erase) {
        records.erase({change.kind, change.key});
      } else {
        records[{change.kind, change.key}] = change.value;
      }
    }
  }
  // Ordered by kind: definitions come before the tasks that share them.
  for (const auto& [key, value] : records) {
    if (auto ok = restore_one({key.first, key.second, value}); !ok) {
      Error error = ok.error();
      error.what = key.second;
      error.message += ": \"" + key.second + "\"";
      return tl::unexpected(std::move(error));
    }
  }
  return {};
}

Result<void> Desk::restore_one(const store::Record& record) {
  const auto put = [this](auto decoded) -> Result<void> {
    if (!decoded) return tl::unexpected(decoded.error());
    using T = typename decltype(decoded)::value_type;
    state_.put(std::make_shared<const T>(std::move(*decoded)));
    return {};
  };
  switch (record.kind) {
    case Kind::Cluster:
      return put(stored::decode_cluster(record.value));
    case Kind::Definition:
      return put(stored::decode_definition(record.value));
    case Kind::Instance:
      return put(stored::decode_instance(record.value));
    case Kind::Token:
      return put(stored::decode_token(record.key, record.value));
    case Kind::Service:
      return put(stored::decode_service(record.value));
    case Kind::Deployment:
      return put(stored::decode_deployment(record.value));
    case Kind::Task:
      return put(stored::decode_task(
          record.value, [this](const DefinitionId& id) { return state_.definition(id); }));
    case Kind::Family: {
      auto family = stored::decode_family(record.value);
      if (!family) return tl::unexpected(family.error());
      state_.set_last_revision(family->family, family->last_revision);
      return {};
    }
  }
  return fail(
      Errc::Internal,
      "a stored record is of the unknown kind " + std::to_string(static_cast<int>(record.kind)),
      Subject::Store);
}

void Desk::answer(const Reply& reply, Result<Answer> answer) {
  if (answer) add_instances(state_, *answer);
  outbox_.after([reply, answer = std::move(answer)] { reply(answer); });
}

}  // namespace berth::control
