// SPDX-License-Identifier: Apache-2.0
// The launch type EC2: tasks on hosts whose agents have joined this plugin's fleet.
//
// Invariants: 1. A start that was sent is answered by its agent, over as many connections as that takes, or by the caller's
// deadline: never guessed. 2. Nodes are known as long as they are registered, over restarts, connected or not.
// Threads: any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "berth/launch_type.hpp"
#include "berth/worker.hpp"
#include "plugins/ec2/task_lists.hpp"
#include "sdk/fleet/server.hpp"

namespace berth::ec2 {

class Ec2 final : public sdk::LaunchType {
 public:
  explicit Ec2(sdk::Host host);
  ~Ec2() override;

  void describe(v1::Interface& self) const override;
  void activate(sdk::Completion<v1::Empty> done) override;
  void plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) override;
  void start(v1::StartTaskRequest request, sdk::Completion<v1::Empty> done) override;
  void stop(v1::StopTaskRequest request, sdk::Completion<v1::Empty> done) override;
  void list_owned(v1::ListOwnedRequest request, sdk::Completion<v1::ListOwnedResponse> done) override;
  void recover(v1::RecoverRequest request, sdk::Completion<v1::RecoverResponse> done) override;
  void forget(v1::ForgetTasksRequest request, sdk::Completion<v1::Empty> done) override;
  void exec(v1::ExecRequest request, sdk::Stream stream, sdk::Completion<v1::ExecResponse> done) override;
  void logs(v1::LogsRequest request, sdk::Stream stream, sdk::Completion<v1::LogsResponse> done) override;
  void stats(v1::StatsRequest request, sdk::Completion<v1::StatsResponse> done) override;
  void update_node(v1::UpdateNodeRequest request, sdk::Completion<v1::Empty> done) override;
  void list_images(v1::ListImagesRequest request,
                   sdk::Completion<v1::ListImagesResponse> done) override;
  void pull_image(v1::PullImageRequest request,
                  sdk::Completion<v1::PullImageResponse> done) override;
  void prune_images(v1::PruneImagesRequest request,
                    sdk::Completion<v1::PruneImagesResponse> done) override;

 private:
  // What callbacks of the host may still use when this object is gone.
  struct Door {
    std::mutex mutex;
    fleet::Server* server = nullptr;
  };

  [[nodiscard]] sdk::Result<void> open();
  [[nodiscard]] fleet::ServerEvents events();
  [[nodiscard]] fleet::Server* server() const;
  void publish_node(v1::Node node);
  void answer(fleet::AskHandle to, const v1::Ask& question);
  // Sends a request to a node and completes `done` with the agent's answer.
  template <typename Response>
  void route(const std::string& node_id, v1::Method method, const std::string& request,
             const sdk::Completion<Response>& done);
  // Hands a call to its node's agent, and the agent's answer back.
  template <typename Request, typename Response>
  void route(v1::Method method, const Request& request, const sdk::Completion<Response>& done);
  // The same for a call that streams: chunks, input and credit of both ways go through.
  template <typename Request, typename Response>
  void route_stream(v1::Method method, const Request& request, const sdk::Stream& stream,
                    const sdk::Completion<Response>& done);
  // Asks these nodes for their tasks, and calls `done` with all answers.
  void list(const std::vector<std::string>& node_ids, std::chrono::milliseconds timeout,
            std::function<void(TaskLists)> done);
  void learn(const std::string& task_id, const std::string& node_id);
  void grant(std::vector<fleet::InterfaceGrant> grants);

  fleet::ServerConfig config_;
  bool named_ = false;  // the operator said where to listen
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
  std::mutex mutex_;
  std::map<std::string, std::string> node_of_task_;
  std::map<std::string, std::string> address_of_task_;
  std::unique_ptr<fleet::Server> server_;
  sdk::Worker worker_;
};

}  // namespace berth::ec2
