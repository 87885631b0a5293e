// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/host_role.hpp"

#include <utility>

#include "plugins/gpu/devices/prepare.hpp"

namespace berth::gpu {

Devices::Devices(const sdk::Host& host)
    : HostRole(host), watch_(host, read_config(host.settings())) {}

void Devices::describe(v1::Interface& self) const {
  self.add_device_types("GPU");
}

void Devices::activate(sdk::Completion<v1::Empty> done) {
  watch_.begin([done] { done.ok(); });
}

void Devices::discover(v1::DiscoverRequest, sdk::Completion<v1::DiscoverResponse> done) {
  watch_.with_devices([done](const DeviceList& list, const cdi::Catalog&) {
    v1::DiscoverResponse response;
    *response.mutable_devices() = std::move(*list.report().mutable_devices());
    done.ok(response);
  });
}

void Devices::prepare(v1::PrepareRequest request, sdk::Completion<v1::PrepareResponse> done) {
  watch_.with_devices(
      [request = std::move(request), done](const DeviceList& list, const cdi::Catalog& catalog) {
        auto edits = gpu::prepare(request, list, catalog);
        if (!edits) return done.fail(edits.error());
        v1::PrepareResponse response;
        *response.mutable_edits() = std::move(*edits);
        done.ok(response);
      });
}

void Devices::release(v1::ReleaseRequest, sdk::Completion<v1::Empty> done) {
  done.ok();
}

void Devices::device_stats(v1::DeviceStatsRequest request,
                           sdk::Completion<v1::DeviceStatsResponse> done) {
  watch_.stats({request.device_ids().begin(), request.device_ids().end()},
               [done](DeviceWatch::Stats stats) {
                 v1::DeviceStatsResponse response;
                 for (v1::DeviceStats& each : stats) *response.add_devices() = std::move(each);
                 done.ok(response);
               });
}

}  // namespace berth::gpu
