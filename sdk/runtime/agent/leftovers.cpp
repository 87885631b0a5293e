// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/leftovers.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

#include "sdk/runtime/agent/claims.hpp"
#include "sdk/runtime/agent/registry_link.hpp"
#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/network/interface_network.hpp"
#include "sdk/runtime/network/task_network.hpp"
#include "sdk/runtime/task/idle_tasks.hpp"

namespace berth::runtime {
namespace {

constexpr std::chrono::seconds kPatience{60};

// Which tasks have stopped, as it is told.
class Stopped {
 public:
  void hear(const v1::TaskReport& report) {
    if (report.phase() != v1::TASK_PHASE_STOPPED) return;
    const std::lock_guard lock(mutex_);
    ids_.insert(report.task_id());
    changed_.notify_all();
  }
  bool await(const std::string& task_id) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return ids_.contains(task_id); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> ids_;
};

// Opening sweeps what belongs to no task, takes away what has ended, and refuses where an agent is at
// work.
sdk::Result<void> end_tasks(const TasksConfig& config) {
  if (auto idle = stop_idle_tasks(config.data_dir); !idle) return idle.error();
  RegistryLink nobody{std::chrono::milliseconds(0)};
  Stopped stopped;
  auto tasks = Tasks::open(
      config, {.report = [&stopped](const v1::TaskReport& report) { stopped.hear(report); },
               .registry = nobody});
  if (!tasks) return tasks.error();
  for (const auto& report : (*tasks)->list()) {
    if (report.phase() == v1::TASK_PHASE_STOPPED || stopped.await(report.task_id())) continue;
    return sdk::fail(BERTH_DEADLINE, "what is left of task " + report.task_id() +
                                         " could not be taken away; the log says why");
  }
  nobody.close();
  (*tasks)->shutdown();
  return {};
}

}  // namespace

sdk::Result<void> remove_leftovers(const AgentConfig& config) {
  if (!std::filesystem::exists(config.tasks.data_dir)) return {};
  if (auto claimed = claim_names(config.tasks); !claimed) return claimed.error();
  if (auto ended = end_tasks(config.tasks); !ended) return ended;
  auto network = TaskNetwork::open({.state_dir = config.tasks.data_dir / "network",
                                    .bridge = config.tasks.bridge,
                                    .subnet = config.tasks.subnet,
                                    .dynamic_first = config.tasks.dynamic_ports.first,
                                    .dynamic_last = config.tasks.dynamic_ports.last});
  if (!network) return network.error();
  if (auto torn = (*network)->tear_down(); !torn) return torn;
  auto interfaces = InterfaceNetwork::open({.bridge = config.tasks.bridge});
  if (!interfaces) return interfaces.error();
  if (auto torn = (*interfaces)->tear_down(); !torn) return torn;
  auto cgroups = Cgroups::open();
  if (!cgroups) return cgroups.error();
  cgroups->remove_escapes();
  if (auto removed = cgroups->remove("/" + config.tasks.cgroup_parent); !removed) return removed;
  release_names(config.tasks);
  return {};
}

}  // namespace berth::runtime
