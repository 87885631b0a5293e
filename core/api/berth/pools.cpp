// SPDX-License-Identifier: Apache-2.0
#include "berth/model/berth_operations.pb.h"
#include "core/api/ecs/operations.hpp"
#include "core/control/commands.hpp"

namespace berth::api {

void list_pools(const Call& call) {
  model::ListPoolsRequest request;
  if (!call.read(request)) return;
  control::ListPools command;
  if (request.has_cluster()) {
    auto cluster = cluster_of(call.backend(), true, request.cluster());
    if (!cluster) return call.refuse(cluster.error());
    command.cluster = *std::move(cluster);
  }
  call.submit(std::move(command), [](const Call& answered, const control::Answer& answer) {
    model::ListPoolsResponse response;
    const auto& pools = std::get<control::PoolsAnswer>(answer).pools;
    response.mutable_pools()->Assign(pools.begin(), pools.end());
    answered.reply(response);
  });
}

}  // namespace berth::api
