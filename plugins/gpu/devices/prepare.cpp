// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/prepare.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "sdk/cdi/match.hpp"

namespace berth::gpu {
namespace {

constexpr std::int64_t kWhole = 1000;  // thousandths

bool is_part(const v1::DeviceGrant& grant) {
  return grant.share_milli() > 0 ? grant.share_milli() < kWhole : grant.memory_mib() > 0;
}

// Programs that are not root's reach a node by its group.
void add_groups(v1::OciEdits& edits) {
  std::set<std::uint32_t> groups;
  for (const v1::DeviceNode& node : edits.device_nodes()) {
    struct stat info {};
    if (::stat(node.path().c_str(), &info) == 0 && (info.st_mode & S_IRGRP) != 0 &&
        info.st_gid != 0) {
      groups.insert(info.st_gid);
    }
  }
  for (const std::uint32_t group : groups) edits.add_additional_gids(group);
}

sdk::Result<void> add_device(const Listed& listed, const cdi::Catalog& catalog,
                             std::set<const cdi::Spec*>& specs, v1::OciEdits& edits) {
  if (listed.cdi_name.empty()) {
    v1::OciEdits nodes = listed.nodes;
    add_groups(nodes);
    cdi::merge(nodes, edits);
    return {};
  }
  const auto entry = catalog.find(listed.cdi_name);
  if (!entry) return entry.error();
  return cdi::add_edits(**entry, specs, edits);
}

// What the task was given of devices that others share. Nothing on the host enforces it.
void add_shares(const std::vector<const v1::DeviceGrant*>& grants, const DeviceList& list,
                v1::OciEdits& edits) {
  std::string shares;
  std::string memory;
  for (const v1::DeviceGrant* grant : grants) {
    if (!is_part(*grant)) continue;
    const auto add = [grant](std::string& to, std::int64_t amount) {
      if (amount > 0) {
        to += (to.empty() ? "" : ",") + grant->device_id() + "=" + std::to_string(amount);
      }
    };
    add(shares, grant->share_milli());
    add(memory, grant->memory_mib());
  }
  if (!shares.empty()) edits.add_env("BERTH_GPU_SHARE_MILLI=" + shares);
  if (!memory.empty()) edits.add_env("BERTH_GPU_MEMORY_MIB=" + memory);
  // One limit for a whole process, and devices by number: said where there is one device only.
  if (grants.size() != 1 || !is_part(*grants.front())) return;
  const v1::DeviceGrant& grant = *grants.front();
  const auto& topology = list.all().at(grant.device_id()).device.topology();
  const auto vendor = topology.find("vendor");
  if (vendor == topology.end() || !vendor->second.starts_with("nvidia")) return;
  if (grant.share_milli() > 0) {
    edits.add_env("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=" +
                  std::to_string(std::max<std::int64_t>(1, grant.share_milli() / 10)));
  }
  if (grant.memory_mib() > 0) {
    edits.add_env("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=" + std::to_string(grant.memory_mib()) + "M");
  }
}

}  // namespace

sdk::Result<v1::OciEdits> prepare(const v1::PrepareRequest& request, const DeviceList& list,
                                  const cdi::Catalog& catalog) {
  v1::OciEdits edits;
  std::set<const cdi::Spec*> specs;
  std::vector<const v1::DeviceGrant*> mine;
  for (int i = 0; i < request.grants_size(); ++i) {
    const v1::DeviceGrant& grant = request.grants(i);
    if (!grant.container().empty() && grant.container() != request.container()) continue;
    const std::string field = "grants[" + std::to_string(i) + "].device_id";
    const auto refuse = [&](berth_status status, const std::string& why) {
      return sdk::fail(status, "GPU " + grant.device_id() + ": " + why, field);
    };
    const auto it = list.all().find(grant.device_id());
    if (it == list.all().end()) return refuse(BERTH_NOT_FOUND, "this host has no such device");
    const Listed& listed = it->second;
    if (!listed.device.healthy()) {
      return refuse(BERTH_PRECONDITION, listed.device.unhealthy_reason());
    }
    if (!listed.no_way.empty()) return refuse(BERTH_PRECONDITION, listed.no_way);
    if (const auto added = add_device(listed, catalog, specs, edits); !added) {
      return refuse(BERTH_PRECONDITION, added.error().message);
    }
    mine.push_back(&grant);
  }
  add_shares(mine, list, edits);
  return edits;
}

}  // namespace berth::gpu
