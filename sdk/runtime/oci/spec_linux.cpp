// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/oci/spec_parts.hpp"

namespace berth::runtime::spec {
namespace {

void add_namespace(const char* type, const NamespaceChoice& choice, json::array& out) {
  if (choice.sharing == Sharing::Host) return;
  json::object entry{{"type", type}};
  if (choice.sharing == Sharing::Given) entry["path"] = choice.path;
  out.push_back(std::move(entry));
}

json::object memory(const ContainerSpec& spec, const HostAbilities& host) {
  json::object out;
  if (spec.memory_limit > 0) {
    out["limit"] = spec.memory_limit;
    // With neither swap nor a wish for it equal to the limit, or the limit would be none.
    if (host.swap_accounting) {
      out["swap"] = spec.memory_limit + spec.options.max_swap.value_or(0);
    }
  }
  if (spec.memory_reservation > 0) out["reservation"] = spec.memory_reservation;
  if (spec.options.swappiness && !host.unified_cgroups) {
    out["swappiness"] = *spec.options.swappiness;
  }
  return out;
}

}  // namespace

json::array namespaces(const ContainerSpec& spec, const HostAbilities& host) {
  json::array out;
  add_namespace("pid", spec.options.pid, out);
  add_namespace("ipc", spec.options.ipc, out);
  for (const char* own : {"uts", "mount"}) out.push_back(json::object{{"type", own}});
  if (!spec.netns_path.empty()) {
    out.push_back(json::object{{"type", "network"}, {"path", spec.netns_path}});
  } else if (spec.own_network) {
    out.push_back(json::object{{"type", "network"}});
  }
  if (!spec.ids.empty()) out.push_back(json::object{{"type", "user"}});
  if (host.unified_cgroups) out.push_back(json::object{{"type", "cgroup"}});
  return out;
}

json::object resources(const ContainerSpec& spec, const HostAbilities& host,
                       json::array device_rules) {
  json::object out{{"devices", std::move(device_rules)}};
  if (host.unified_cgroups) {
    // Runtimes differ in how they turn shares into a weight.
    out["unified"] = {{"cpu.weight", std::to_string(weight_of_shares(spec.cpu_shares))}};
  } else {
    out["cpu"] = {{"shares", clamp_shares(spec.cpu_shares)}};
  }
  if (auto limits = memory(spec, host); !limits.empty()) out["memory"] = std::move(limits);
  if (spec.pids_limit > 0) out["pids"] = {{"limit", spec.pids_limit}};
  return out;
}

}  // namespace berth::runtime::spec
