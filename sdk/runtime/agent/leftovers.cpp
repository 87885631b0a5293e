// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/leftovers.hpp"

#include "sdk/runtime/agent/claims.hpp"
#include "sdk/runtime/agent/registry_link.hpp"
#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/network/interface_network.hpp"
#include "sdk/runtime/network/task_network.hpp"

namespace berth::runtime {

sdk::Result<void> remove_leftovers(const AgentConfig& config) {
  if (!std::filesystem::exists(config.tasks.data_dir)) return {};
  if (auto claimed = claim_names(config.tasks); !claimed) return claimed.error();
  {
    // Opening sweeps what belongs to no task, and refuses where an agent is at work.
    RegistryLink nobody{std::chrono::milliseconds(0)};
    auto tasks = Tasks::open(config.tasks, {.report = [](const v1::TaskReport&) {}, .registry = nobody});
    if (!tasks) return tasks.error();
    for (const auto& report : (*tasks)->list()) {
      if (report.phase() != v1::TASK_PHASE_STOPPED) {
        return sdk::fail(BERTH_PRECONDITION, "task " + report.task_id() + " still runs; stop it first");
      }
    }
    nobody.close();
    (*tasks)->shutdown();
  }
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
