// SPDX-License-Identifier: Apache-2.0
// berth.host/1 as a class: what a plugin adds to the agent on a host. Derive, override publicly,
// export (plugin.hpp).
//
// Everything is optional: not overridden, it is left out of the manifest and answers
// BERTH_UNIMPLEMENTED. Messages and their rules are in berth/v1/host.proto. A change of devices is
// told by host().report(DeviceReport) with the whole list.
//
// Threads, life, errors: as Role. prepare, release, sandbox and sandbox_remove are idempotent.
#pragma once

#include "berth/role.hpp"

namespace berth::sdk {

class HostRole : public Role {
 public:
  static constexpr const char* kInterface = "berth.host/1";

  using Role::Role;

  virtual void discover(v1::DiscoverRequest, Completion<v1::DiscoverResponse> done) {
    unimplemented(done);
  }
  // Makes granted devices ready for one container: edits of its OCI configuration.
  virtual void prepare(v1::PrepareRequest, Completion<v1::PrepareResponse> done) {
    unimplemented(done);
  }
  virtual void release(v1::ReleaseRequest, Completion<v1::Empty> done) { unimplemented(done); }
  virtual void device_stats(v1::DeviceStatsRequest, Completion<v1::DeviceStatsResponse> done) {
    unimplemented(done);
  }
  // The surroundings of a task, before its containers.
  virtual void sandbox(v1::SandboxRequest, Completion<v1::SandboxResponse> done) {
    unimplemented(done);
  }
  virtual void sandbox_remove(v1::SandboxRemoveRequest, Completion<v1::Empty> done) {
    unimplemented(done);
  }
  virtual void interface_rules(v1::InterfaceRulesRequest,
                               Completion<v1::InterfaceRulesResponse> done) {
    unimplemented(done);
  }

 private:
  template <typename Response>
  static void unimplemented(const Completion<Response>& done) {
    done.fail(fail(BERTH_UNIMPLEMENTED, "this plugin does not offer it"));
  }
};

}  // namespace berth::sdk
