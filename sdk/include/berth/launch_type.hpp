// SPDX-License-Identifier: Apache-2.0
// berth.launch/1 as a class: a kind of capacity that runs tasks. Derive, override publicly, export
// (plugin.hpp).
//
// What is pure must be there. What has a default is optional: not overridden, it is left out of the
// manifest and answers BERTH_UNIMPLEMENTED; new ones come with defaults. Messages and their rules
// are in berth/v1/launch.proto.
//
// Threads, life, errors: as Role. Requests may come twice; task_id, node_id or request_id makes
// them idempotent.
#pragma once

#include <utility>

#include "berth/inventory.hpp"
#include "berth/role.hpp"
#include "berth/stream.hpp"

namespace berth::sdk {

class LaunchType : public Role {
 public:
  static constexpr const char* kInterface = "berth.launch/1";

  explicit LaunchType(Host host) : Role(host), inventory_(std::move(host)) {}

  // A pure function of the request: what the task needs, or refusals. Answer at once.
  virtual void plan(v1::PlanRequest request, Completion<v1::PlanResponse> done) = 0;

  // Completes once the task is taken over: from then on list_owned shows it. All later news are
  // host().report(TaskReport).
  virtual void start(v1::StartTaskRequest request, Completion<v1::Empty> done) = 0;

  // Completes once the wish is noted; the task's end is reported. NotFound for a task that is not
  // held.
  virtual void stop(v1::StopTaskRequest request, Completion<v1::Empty> done) = 0;

  // The SDK sends the inventory again when this is called without `after`. Answer with owned_page(),
  // or whatever does not fit into a payload is lost.
  virtual void list_owned(v1::ListOwnedRequest request, Completion<v1::ListOwnedResponse> done) = 0;
  virtual void recover(v1::RecoverRequest request, Completion<v1::RecoverResponse> done) = 0;
  virtual void forget(v1::ForgetTasksRequest request, Completion<v1::Empty> done) = 0;

  // Completes when the process has ended; `stream` carries its input and output.
  virtual void exec(v1::ExecRequest request, Stream stream, Completion<v1::ExecResponse> done);
  // Completes at the end of the stream, which carries LogRecords.
  virtual void logs(v1::LogsRequest request, Stream stream, Completion<v1::LogsResponse> done);
  virtual void stats(v1::StatsRequest request, Completion<v1::StatsResponse> done);
  virtual void provision(v1::ProvisionRequest request, Completion<v1::ProvisionResponse> done);
  virtual void deprovision(v1::DeprovisionRequest request, Completion<v1::Empty> done);
  virtual void update_node(v1::UpdateNodeRequest request, Completion<v1::Empty> done);
  virtual void list_images(v1::ListImagesRequest request, Completion<v1::ListImagesResponse> done);
  virtual void pull_image(v1::PullImageRequest request, Completion<v1::PullImageResponse> done);
  virtual void prune_images(v1::PruneImagesRequest request,
                            Completion<v1::PruneImagesResponse> done);

  // The nodes of this launch type.
  [[nodiscard]] Inventory& inventory() { return inventory_; }

 private:
  Inventory inventory_;
};

// Never reached through the table: the SDK answers for what is not overridden. For callers of their
// own.
inline void LaunchType::exec(v1::ExecRequest, Stream, Completion<v1::ExecResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type has no exec"));
}
inline void LaunchType::logs(v1::LogsRequest, Stream, Completion<v1::LogsResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type has no logs"));
}
inline void LaunchType::stats(v1::StatsRequest, Completion<v1::StatsResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type has no stats"));
}
inline void LaunchType::provision(v1::ProvisionRequest, Completion<v1::ProvisionResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type cannot make nodes"));
}
inline void LaunchType::deprovision(v1::DeprovisionRequest, Completion<v1::Empty> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type cannot remove nodes"));
}
inline void LaunchType::update_node(v1::UpdateNodeRequest, Completion<v1::Empty> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type cannot drain nodes"));
}
inline void LaunchType::list_images(v1::ListImagesRequest,
                                    Completion<v1::ListImagesResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type shows no images"));
}
inline void LaunchType::pull_image(v1::PullImageRequest, Completion<v1::PullImageResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type cannot pull images ahead"));
}
inline void LaunchType::prune_images(v1::PruneImagesRequest,
                                     Completion<v1::PruneImagesResponse> done) {
  done.fail(fail(BERTH_UNIMPLEMENTED, "this launch type cannot remove images"));
}

}  // namespace berth::sdk
