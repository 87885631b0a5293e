// SPDX-License-Identifier: Apache-2.0
#include "berth/model/berth_operations.pb.h"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kDefaultTimeout = 20;

void show_pull(const v1::PullProgress& pull, model::Pull& shown) {
  shown.set_container(pull.container());
  shown.set_image(pull.image());
  shown.set_bytes_done(pull.bytes_done());
  shown.set_bytes_total(pull.bytes_total());
  shown.set_layers_done(static_cast<std::int32_t>(pull.layers_done()));
  shown.set_layers_total(static_cast<std::int32_t>(pull.layers_total()));
}

}  // namespace

void watch_task(const Call& call) {
  model::WatchTaskRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto id = id_in_cluster(request.task(), "task", *cluster);
  if (!id) return call.refuse(id.error());
  const std::chrono::seconds timeout(request.has_timeout_seconds() ? request.timeout_seconds()
                                                                   : kDefaultTimeout);
  call.submit(control::WatchTask{.cluster = cluster->str(),
                                 .task = *id,
                                 .cursor = static_cast<std::uint64_t>(request.cursor()),
                                 .deadline = call.backend().now() + timeout},
              [](const Call& answered, const control::Answer& answer) {
                const auto& watched = std::get<control::WatchTaskAnswer>(answer);
                model::WatchTaskResponse response;
                *response.mutable_task() =
                    show_task({watched.task, watched.instance}, answered.realm(), Tags::Show);
                response.set_cursor(static_cast<std::int64_t>(watched.cursor));
                for (const auto& pull : watched.pulls) show_pull(pull, *response.add_pulls());
                answered.reply(response);
              });
}

}  // namespace berth::api
