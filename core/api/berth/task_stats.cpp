// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/task_stats.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "berth/model/berth_operations.pb.h"

namespace berth::api {
namespace {

using Place = std::pair<PluginName, NodeId>;

// What to ask, and who is asked.
struct Wanted {
  std::map<TaskId, TaskPtr> tasks;  // RUNNING ones
  std::map<Place, std::vector<TaskId>> places;
  std::vector<std::string> missing;
};

std::int64_t count(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

double seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

model::ContainerUsage show(const v1::ContainerStats& stats, const Task& task, const Realm& realm) {
  model::ContainerUsage shown;
  shown.set_task_arn(realm.task_arn(task.cluster, task.id));
  shown.set_task_definition(task.definition->id.family.str() + ":" +
                            std::to_string(task.definition->id.revision));
  shown.set_container(stats.container());
  shown.set_container_instance_arn(realm.container_instance_arn(task.cluster, task.node));
  *shown.mutable_at() = stats.at();
  shown.set_cpu_seconds(seconds(stats.cpu_usage_ns()));
  shown.set_cpu_periods(count(stats.cpu_periods()));
  shown.set_cpu_throttled_periods(count(stats.cpu_throttled_periods()));
  shown.set_cpu_throttled_seconds(seconds(stats.cpu_throttled_ns()));
  shown.set_memory_bytes(count(stats.memory_usage_bytes()));
  if (stats.memory_limit_bytes() > 0)
    shown.set_memory_limit_bytes(count(stats.memory_limit_bytes()));
  shown.set_memory_limit_hits(count(stats.memory_limit_hits()));
  shown.set_oom_kills(count(stats.memory_failures()));
  shown.set_pids(count(stats.pids()));
  if (stats.has_io_read_bytes()) shown.set_io_read_bytes(count(stats.io_read_bytes()));
  if (stats.has_io_write_bytes()) shown.set_io_write_bytes(count(stats.io_write_bytes()));
  if (stats.has_net_rx_bytes()) shown.set_network_received_bytes(count(stats.net_rx_bytes()));
  if (stats.has_net_tx_bytes()) shown.set_network_sent_bytes(count(stats.net_tx_bytes()));
  for (const v1::DeviceStats& device : stats.devices()) {
    constexpr std::int64_t kMiB = 1024 * 1024;
    model::DeviceUsage& usage = *shown.add_devices();
    usage.set_device_id(device.device_id());
    usage.set_utilization_percent(100 * device.utilization());
    usage.set_memory_used_bytes(device.memory_used_mib() * kMiB);
    usage.set_memory_total_bytes(device.memory_total_mib() * kMiB);
  }
  return shown;
}

class Gathering : public std::enable_shared_from_this<Gathering> {
 public:
  Gathering(Call call, ClusterName cluster, Wanted wanted)
      : call_(std::move(call)),
        cluster_(std::move(cluster)),
        wanted_(std::move(wanted)),
        open_(wanted_.places.size()) {}

  void begin(StatsSource& source) {
    for (const std::string& arn : wanted_.missing) add_failure(arn, "MISSING", "");
    if (open_ == 0) return reply();
    for (const auto& [place, ids] : wanted_.places) {
      v1::StatsRequest request;
      request.set_node_id(place.second.str());
      if (ids.size() == 1) request.set_task_id(ids.front().str());
      source.read(place.first, request,
                  [self = shared_from_this(), place = place](Result<v1::StatsResponse> answered) {
                    self->take(place, answered);
                  });
    }
  }

 private:
  void take(const Place& place, const Result<v1::StatsResponse>& answered) {
    const std::lock_guard lock(mutex_);
    if (answered) {
      for (const auto& stats : answered->containers()) {
        const auto task = wanted_.tasks.find(TaskId(stats.task_id()));
        // What a host says of tasks that it does not run counts nothing.
        if (task == wanted_.tasks.end() || task->second->node != place.second) continue;
        sorted_[{stats.task_id(), stats.container()}] = show(stats, *task->second, call_.realm());
      }
    } else if (answered.error().code != Errc::NotFound) {  // the task ended meanwhile
      add_failure(call_.realm().container_instance_arn(cluster_, place.second), "UNAVAILABLE",
                  answered.error().message);
    }
    if (--open_ > 0) return;
    // The last answer comes on the core's loop, which has better to do than to encode.
    call_.backend().post([self = shared_from_this()] { self->reply(); });
  }

  void add_failure(const std::string& arn, const char* reason, const std::string& detail) {
    auto& failure = *response_.add_failures();
    failure.set_arn(arn);
    failure.set_reason(reason);
    if (!detail.empty()) failure.set_detail(detail);
  }

  void reply() {
    for (auto& [key, usage] : sorted_) *response_.add_containers() = std::move(usage);
    call_.reply(response_);
  }

  const Call call_;
  const ClusterName cluster_;
  const Wanted wanted_;
  std::mutex mutex_;
  std::size_t open_;
  std::map<std::pair<std::string, std::string>, model::ContainerUsage>
      sorted_;  // by task and container
  model::TaskStatsResponse response_;
};

Result<Wanted> find(const control::State& state, const ClusterName& cluster,
                    const std::vector<TaskId>& ids, const Realm& realm) {
  if (auto known = active_cluster(state, cluster); !known) return tl::unexpected(known.error());
  Wanted wanted;
  const auto add = [&](const TaskPtr& task) {
    if (task->last_status != TaskStatus::Running || task->node.empty()) return;
    if (!wanted.tasks.emplace(task->id, task).second) return;
    wanted.places[{task->plugin, task->node}].push_back(task->id);
  };
  for (const TaskId& id : ids) {
    const auto task = state.task(id);
    if (task != nullptr && task->cluster == cluster) {
      add(task);
    } else {
      wanted.missing.push_back(realm.task_arn(cluster, id));
    }
  }
  if (ids.empty()) {
    for (const TaskId& id : state.tasks_of(cluster)) add(state.task(id));
  }
  return wanted;
}

}  // namespace

void task_stats(const Call& call, StatsSource& source) {
  model::TaskStatsRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  std::vector<TaskId> ids;
  for (const std::string& name : request.tasks()) {
    auto id = id_in_cluster(name, "task", *cluster);
    if (!id) return call.refuse(id.error());
    ids.emplace_back(std::move(*id));
  }
  call.query([cluster = *cluster, ids = std::move(ids), realm = call.realm()](
                 const control::State& state) { return find(state, cluster, ids, realm); },
             [&source, cluster = *cluster](const Call& found, Wanted wanted) {
               std::make_shared<Gathering>(found, cluster, std::move(wanted))->begin(source);
             });
}

}  // namespace berth::api
