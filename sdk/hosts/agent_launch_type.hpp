// SPDX-License-Identifier: Apache-2.0
// A launch type whose tasks run on hosts, each with an agent that has joined the plugin's fleet.
//
// What is left to a derived class: describe, plan, and what it makes of its nodes and starts. It
// reads the settings of the fleet, and says who it is by Options.
//
// Invariants: 1. A start that was sent is answered by its agent, over as many connections as that
// takes, or by the caller's deadline: never guessed. 2. Nodes are known as long as they are
// registered, over restarts, connected or not. Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "berth/launch_type.hpp"
#include "berth/worker.hpp"
#include "sdk/fleet/server.hpp"
#include "sdk/hosts/task_lists.hpp"

namespace berth::hosts {

class AgentLaunchType : public sdk::LaunchType {
 public:
  struct Options {
    std::string launch_type;  // as messages call it: "EC2"
    std::uint16_t port = 0;   // to listen on where the settings name none
  };
  AgentLaunchType(sdk::Host host, Options options);
  ~AgentLaunchType() override;

  void activate(sdk::Completion<v1::Empty> done) override;
  void start(v1::StartTaskRequest request, sdk::Completion<v1::Empty> done) override;
  void stop(v1::StopTaskRequest request, sdk::Completion<v1::Empty> done) override;
  void list_owned(v1::ListOwnedRequest request,
                  sdk::Completion<v1::ListOwnedResponse> done) override;
  void recover(v1::RecoverRequest request, sdk::Completion<v1::RecoverResponse> done) override;
  void forget(v1::ForgetTasksRequest request, sdk::Completion<v1::Empty> done) override;
  void exec(v1::ExecRequest request, sdk::Stream stream,
            sdk::Completion<v1::ExecResponse> done) override;
  void logs(v1::LogsRequest request, sdk::Stream stream,
            sdk::Completion<v1::LogsResponse> done) override;
  void stats(v1::StatsRequest request, sdk::Completion<v1::StatsResponse> done) override;
  void update_node(v1::UpdateNodeRequest request, sdk::Completion<v1::Empty> done) override;
  void list_images(v1::ListImagesRequest request,
                   sdk::Completion<v1::ListImagesResponse> done) override;
  void pull_image(v1::PullImageRequest request,
                  sdk::Completion<v1::PullImageResponse> done) override;
  void prune_images(v1::PruneImagesRequest request,
                    sdk::Completion<v1::PruneImagesResponse> done) override;

 protected:
  // A node as it is about to be published, its zone set. Called on the fleet's thread.
  virtual void adapt(v1::Node& node) { static_cast<void>(node); }
  // Ends the fleet: nothing is called any more. A derived class whose adapt() needs its own members
  // calls it in its destructor. Idempotent.
  void close();

 private:
  // What callbacks of the host may still use when this object is gone.
  struct Door {
    std::mutex mutex;
    fleet::Server* server = nullptr;
  };

  [[nodiscard]] sdk::Result<void> open();
  [[nodiscard]] sdk::Error not_ready() const;
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

  Options options_;
  fleet::ServerConfig config_;
  bool named_ = false;  // the operator said where to listen
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
  std::mutex mutex_;
  std::map<std::string, std::string> node_of_task_;
  std::map<std::string, std::string> address_of_task_;
  std::unique_ptr<fleet::Server> server_;
  sdk::Worker worker_;
};

}  // namespace berth::hosts
