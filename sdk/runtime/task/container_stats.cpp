// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/task/local_host.hpp"

namespace berth::runtime {

sdk::Result<v1::ContainerStats> LocalHost::stats(const std::string& task_id,
                                                 const std::string& container,
                                                 const std::string& id) const {
  const auto view = runtime_->inspect(id);
  if (!view) return view.error();
  if (view->phase != ContainerPhase::Running)
    return sdk::fail(BERTH_NOT_FOUND, "container " + id + " does not run");
  const auto usage = cgroups_->usage(cgroup_of(task_id) + "/" + container);
  if (!usage) return usage.error();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  v1::ContainerStats out;
  out.set_task_id(task_id);
  out.set_container(container);
  out.mutable_at()->set_ms(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  out.set_cpu_usage_ns(usage->cpu_usage_ns);
  // The quota is the task's, and holds all of its containers back.
  const CpuThrottling throttling = cgroups_->throttling(cgroup_of(task_id));
  out.set_cpu_throttled_ns(throttling.throttled_ns);
  out.set_cpu_throttled_periods(throttling.throttled_periods);
  out.set_cpu_periods(throttling.periods);
  out.set_memory_usage_bytes(usage->memory_usage_bytes);
  out.set_memory_limit_bytes(usage->memory_limit_bytes);
  out.set_memory_failures(usage->oom_kills);
  out.set_memory_limit_hits(usage->memory_limit_hits);
  out.set_pids(usage->pids);
  if (usage->io_read_bytes) out.set_io_read_bytes(*usage->io_read_bytes);
  if (usage->io_write_bytes) out.set_io_write_bytes(*usage->io_write_bytes);
  // The init's own view of its namespace, so none has to be entered; with the host's network these
  // are not its counters.
  const std::string process = "/proc/" + std::to_string(view->handle.pid);
  std::error_code error;
  const auto own = std::filesystem::read_symlink(process + "/ns/net", error);
  if (error || own == std::filesystem::read_symlink("/proc/self/ns/net", error)) return out;
  if (const auto text = state::read_file(process + "/net/dev")) {
    const NetBytes bytes = parse_net_dev(*text);
    out.set_net_rx_bytes(bytes.received);
    out.set_net_tx_bytes(bytes.sent);
  }
  return out;
}

}  // namespace berth::runtime
