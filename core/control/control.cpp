// SPDX-License-Identifier: Apache-2.0
#include "core/control/control.hpp"

#include <utility>

#include "berth/v1/plugin.pb.h"
#include "core/control/attributes.hpp"
#include "core/control/clusters.hpp"
#include "core/control/definitions.hpp"
#include "core/control/delivery.hpp"
#include "core/control/desk.hpp"
#include "core/control/launches.hpp"
#include "core/control/names.hpp"
#include "core/control/networks.hpp"
#include "core/control/nodes.hpp"
#include "core/control/own_time.hpp"
#include "core/control/placer.hpp"
#include "core/control/plans.hpp"
#include "core/control/plugins.hpp"
#include "core/control/questions.hpp"
#include "core/control/removals.hpp"
#include "core/control/reports.hpp"
#include "core/control/retention.hpp"
#include "core/control/routes.hpp"
#include "core/control/runs.hpp"
#include "core/control/services/commands.hpp"
#include "core/control/services/rules.hpp"
#include "core/control/starts.hpp"
#include "core/control/tagging.hpp"
#include "core/control/tasks.hpp"
#include "core/control/unplaced.hpp"
#include "core/control/watches.hpp"

namespace berth::control {

// The rooms, each of which knows those above it.
class Control::Impl {
 public:
  Impl(Config config, Ports ports)
      : ports_(std::move(ports)),
        desk(std::move(config), ports_),
        plugins(desk, ports_.plugins),
        placer(desk, ports_.meter),
        watches(desk),
        tasks(desk, placer, watches),
        delivery(desk, plugins, tasks),
        reports(desk, plugins, tasks, delivery),
        retention(desk, plugins, tasks),
        nodes(desk, plugins, placer, tasks, reports),
        clusters(desk, plugins, nodes),
        attributes(desk, nodes),
        removals(desk, plugins, nodes),
        definitions(desk),
        plans(desk, plugins),
        routes(plugins, plans),
        networks(desk),
        launches({desk, plugins, placer, networks, tasks, delivery, unplaced}),
        reclaims({desk, plugins, placer, tasks, delivery}),
        runs({desk, routes, networks, launches, retention, reclaims}),
        starts({desk, plugins, routes, placer, networks, launches}),
        questions({desk, plugins, routes, placer, networks, unplaced}),
        rollouts(desk, (desk.config().service_rules != nullptr ? *desk.config().service_rules
                                                               : kServiceRules)
                           .resets),
        services({desk, plugins, routes, placer, networks, tasks, delivery, launches, rollouts,
                  reclaims}),
        service_commands({desk, routes, networks, tasks, nodes, rollouts, services, retention}),
        tagging(desk, tasks, rollouts) {
    tasks.on_stopped([this](const TaskId& id) {
      const auto& interface = desk.state().task(id)->launch->task_interface;
      if (interface) networks.give_back(*interface);
      delivery.forget(id);
      retention.task_stopped(id);
    });
    tasks.on_changed([this](const Task& task) { services.task_changed(task); });
    nodes.on_changed([this](const ClusterName& cluster, const NodeId& node) {
      services.node_changed(cluster, node);
    });
    placer.on_room([this](const ClusterName& cluster) { services.room_made(cluster); });
    services.on_inactive([this](const ServiceId& id) { service_commands.service_ended(id); });
  }

  Result<void> restore(const store::Loaded& loaded, Instant now) {
    desk.advance(now);
    if (auto ok = desk.restore(loaded); !ok) return ok;
    go_on_from_records();
    watches.begin(loaded.epoch);
    clusters.make_default();
    networks.restore();
    services.restore();
    service_commands.restore();
    nodes.restore();
    retention.restore();
    for (const auto& [id, task] : desk.state().tasks()) {
      if (task->last_status != TaskStatus::Stopped) delivery.remember(id);
    }
    return {};
  }

  // Where the clock was set back while nobody ran: what was recorded must not lie ahead, or waits
  // and retentions would begin anew.
  void go_on_from_records() {
    const Instant newest = newest_own_time(desk.state());
    if (newest <= desk.now()) return;
    desk.warn("the clock is " + std::to_string((newest - desk.now()).count()) +
              " ms behind the newest record: time goes on from that");
    desk.advance(newest);
  }

  void up(LaunchPlugin about) {
    const PluginName name = about.name;
    plugins.up(std::move(about));
    plans.plugin_up(name);
    nodes.plugin_up(name);
    reports.plugin_up(name);
    retention.plugin_up(name);
    delivery.plugin_up(name);
    services.plugin_up();
  }

  void down(const PluginName& name) {
    plugins.down(name);
    nodes.plugin_down(name);
  }

  void event(const PluginName& plugin, std::uint32_t event, const std::string& payload) {
    if (!plugins.is_up(plugin)) return;
    switch (event) {
      case v1::EVENT_LAUNCH_INVENTORY:
        return take<v1::InventorySnapshot>(payload,
                                           [&](auto m) { nodes.take(plugin, std::move(m)); });
      case v1::EVENT_LAUNCH_INVENTORY_DELTA:
        return take<v1::InventoryDelta>(payload, [&](auto m) { nodes.take(plugin, std::move(m)); });
      case v1::EVENT_LAUNCH_TASK:
        return take<v1::TaskReport>(payload, [&](auto m) { reports.take(plugin, std::move(m)); });
      default:
        return;  // capacity reports change no record
    }
  }

  void stop(const StopTask& command, const Reply& reply) {
    const auto refuse = [&](const Error& error) { desk.answer(reply, tl::unexpected(error)); };
    auto cluster =
        find_cluster(desk.state(), command.request.cluster(), desk.config().default_cluster);
    if (!cluster) return refuse(cluster.error());
    auto task = find_task(desk.state(), (*cluster)->name, command.request.task());
    if (!task) return refuse(task.error());
    const TaskId id = (*task)->id;
    const std::string& reason = command.request.reason();
    tasks.request_stop(id,
                       {StopCode::UserInitiated, reason.empty() ? "Task stopped by user" : reason});
    delivery.pursue(id);
    desk.answer(reply, Answer(desk.state().task(id)));
  }

  void watch(const WatchTask& command, Reply reply) {
    auto cluster = find_cluster(desk.state(), command.cluster, desk.config().default_cluster);
    if (!cluster) return desk.answer(reply, tl::unexpected(cluster.error()));
    auto task = find_task(desk.state(), (*cluster)->name, command.task);
    if (!task) return desk.answer(reply, tl::unexpected(task.error()));
    watches.watch((*task)->id, {command.cursor, command.deadline, std::move(reply)});
  }

  void obey(Command command, Reply reply) {
    struct Visitor {
      Impl& impl;
      Reply& reply;
      void operator()(CreateCluster& c) const { impl.clusters.create(c, reply); }
      void operator()(DeleteCluster& c) const { impl.clusters.remove(c, reply); }
      void operator()(PutClusterProviders& c) const { impl.clusters.put_providers(c, reply); }
      void operator()(ListPools& c) const {
        impl.desk.answer(reply, Answer(PoolsAnswer{impl.nodes.pools(c.cluster)}));
      }
      void operator()(ListProviders& c) const { impl.clusters.list_providers(c, reply); }
      void operator()(RegisterTaskDefinition& c) const { impl.definitions.add(c, reply); }
      void operator()(DeregisterTaskDefinition& c) const { impl.definitions.deregister(c, reply); }
      void operator()(RunTask& c) const { impl.runs.run(std::move(c), std::move(reply)); }
      void operator()(StartTask& c) const { impl.starts.start(c, std::move(reply)); }
      void operator()(StopTask& c) const { impl.stop(c, reply); }
      void operator()(PlanTask& c) const { impl.questions.plan(c, std::move(reply)); }
      void operator()(ExplainTask& c) const { impl.questions.explain(c, std::move(reply)); }
      void operator()(WatchTask& c) const { impl.watch(c, std::move(reply)); }
      void operator()(PutAttributes& c) const { impl.attributes.put(c, reply); }
      void operator()(DeleteAttributes& c) const { impl.attributes.remove(c, reply); }
      void operator()(RemoveAgent& c) const { impl.removals.remove(c, std::move(reply)); }
      void operator()(CreateService& c) const {
        impl.service_commands.create(std::move(c), std::move(reply));
      }
      void operator()(UpdateService& c) const {
        impl.service_commands.update(std::move(c), std::move(reply));
      }
      void operator()(DeleteService& c) const { impl.service_commands.remove(c, reply); }
      void operator()(StopServiceDeployment& c) const {
        impl.service_commands.stop_deployment(c, reply);
      }
      void operator()(TagResource& c) const { impl.tagging.tag(c, reply); }
      void operator()(DeregisterInstance& c) const { impl.removals.remove(c, std::move(reply)); }
      void operator()(UpdateTaskProtection& c) const { impl.service_commands.protect(c, reply); }
      void operator()(UpdateInstancesState& c) const {
        impl.service_commands.set_instances(c, reply);
      }
      void operator()(RestServices&) const {
        impl.services.rest();
        impl.desk.answer(reply, Answer(ServicesRest{}));
      }
    };
    std::visit(Visitor{*this, reply}, command);
  }

  void tick(Instant now) {
    if (desk.outbox().halted()) return;
    desk.advance(now);
    const auto queue = desk.inputs().lock();
    do {  // effects that run at once may bring new inputs
      while (!queue->empty()) {
        const auto work = std::move(queue->front());
        queue->pop_front();
        work();
      }
      desk.alarms().ring(desk.now());
      services.bring_on();
      if (queue->empty()) desk.outbox().flush();
    } while (!queue->empty());
    if (const auto next = desk.alarms().next()) ports_.timers.wake_at(*next);
  }

 private:
  template <typename Message, typename Take>
  void take(const std::string& payload, Take take) {
    Message message;
    if (message.ParseFromString(payload)) {
      take(std::move(message));
    } else {
      reports.count_fault();
    }
  }

  Ports ports_;

 public:
  Desk desk;
  Plugins plugins;
  Placer placer;
  Watches watches;
  Tasks tasks;
  Delivery delivery;
  Reports reports;
  Retention retention;
  Nodes nodes;
  Clusters clusters;
  Attributes attributes;
  Removals removals;
  Definitions definitions;
  Plans plans;
  Routes routes;
  Unplaced unplaced;
  Networks networks;
  Launches launches;
  Reclaims reclaims;
  Runs runs;
  Starts starts;
  Questions questions;
  Rollouts rollouts;
  Services services;
  ServiceCommands service_commands;
  Tagging tagging;
};

Control::Control(Config config, Ports ports)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(ports))) {}
Control::~Control() = default;

Result<void> Control::restore(store::Loaded loaded, Instant now) {
  return impl_->restore(loaded, now);
}

void Control::plugin_up(LaunchPlugin plugin) {
  impl_->desk.input([impl = impl_.get(), plugin = std::move(plugin)] { impl->up(plugin); });
}

void Control::plugin_down(const PluginName& plugin) {
  impl_->desk.input([impl = impl_.get(), plugin] { impl->down(plugin); });
}

void Control::plugin_event(const PluginName& plugin, std::uint32_t event,
                           std::string_view payload) {
  impl_->desk.input([impl = impl_.get(), plugin, event, bytes = std::string(payload)] {
    impl->event(plugin, event, bytes);
  });
}

void Control::rest_services() {
  impl_->desk.input([impl = impl_.get()] { impl->services.rest(); });
}

bool Control::services_rest() const {
  return impl_->services.resting();
}

void Control::submit(Command command, Reply reply) {
  impl_->desk.input([impl = impl_.get(), command = std::move(command), reply = std::move(reply)] {
    impl->obey(command, reply);
  });
}

void Control::query(Query query) {
  impl_->desk.input([impl = impl_.get(), query = std::move(query)] {
    auto effect = query(impl->desk.state());
    if (effect) impl->desk.outbox().after(std::move(effect));
  });
}

void Control::tick(Instant now) {
  impl_->tick(now);
}

PlacementStats Control::placement_stats() const {
  return impl_->placer.stats();
}

Instant Control::now() const {
  return impl_->desk.now();
}

const State& Control::state() const {
  return impl_->desk.state();
}

}  // namespace berth::control
