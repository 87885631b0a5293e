// SPDX-License-Identifier: Apache-2.0
// The plugin in berth-agent: the GPUs of one host, as berth.host/1.
//
// Invariants: 1. No call into a driver is made on a thread of the host, nor waited for longer than
// `driver_timeout`. 2. A device is told healthy only while its driver answers for it. 3. Nothing is
// kept for a task: prepare is a question, and release has nothing to undo. Threads, life, errors:
// as HostRole.
#pragma once

#include "berth/host_role.hpp"
#include "plugins/gpu/devices/device_watch.hpp"

namespace berth::gpu {

class Devices final : public sdk::HostRole {
 public:
  explicit Devices(const sdk::Host& host);

  void describe(v1::Interface& self) const override;
  void activate(sdk::Completion<v1::Empty> done) override;
  void discover(v1::DiscoverRequest request, sdk::Completion<v1::DiscoverResponse> done) override;
  void prepare(v1::PrepareRequest request, sdk::Completion<v1::PrepareResponse> done) override;
  void release(v1::ReleaseRequest request, sdk::Completion<v1::Empty> done) override;
  // Devices that do not answer in time are left out.
  void device_stats(v1::DeviceStatsRequest request,
                    sdk::Completion<v1::DeviceStatsResponse> done) override;

 private:
  DeviceWatch watch_;
};

}  // namespace berth::gpu
