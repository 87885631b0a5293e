// SPDX-License-Identifier: Apache-2.0
// What the tasks of this host are told of themselves and given in secret: their endpoints, their
// roles' credentials, secrets, and environment files.
//
// Threads: any; calls for one container one at a time. Errors: messages are complete for an ECS
// reason where the text says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/image.hpp"
#include "sdk/runtime/metadata/task_endpoints.hpp"
#include "sdk/runtime/network/task_network.hpp"
#include "sdk/runtime/oci/container.hpp"
#include "sdk/runtime/roles/roles.hpp"
#include "sdk/runtime/secrets/resolver.hpp"

namespace berth::runtime {

class TaskIdentity {
 public:
  using Stats = std::function<sdk::Result<v1::ContainerStats>(
      const std::string& task_id, const std::string& container, const std::string& runtime_id)>;

  using Memory =
      std::function<MemoryDetail(const std::string& task_id, const std::string& container)>;

  // `directory` is made. The source may be empty: then no role can be had.
  static sdk::Result<std::unique_ptr<TaskIdentity>> open(metadata::TaskEndpoints::Options options,
                                                         secrets::ResolverSettings secrets,
                                                         Roles::Source source, Stats stats,
                                                         Memory memory);

  // Waits until the credentials of the task's role are here, where it has one.
  // Errors: ECS's words for a role that cannot be had.
  sdk::Result<void> await_role(const v1::StartTaskRequest& task, std::stop_token stop);

  // A container that is about to be created, or was by an earlier process: serves it.
  sdk::Result<void> attach(const v1::StartTaskRequest& task, std::size_t container,
                           const Endpoint& endpoint, const image::Image& image,
                           std::int64_t created_ms);
  // Its variables, "NAME=value".
  [[nodiscard]] std::vector<std::string> environment(const v1::StartTaskRequest& task,
                                                     std::size_t container,
                                                     const Endpoint& endpoint) const;
  // Puts environment files and secrets into what a container is to be. With any `place` becomes
  // a tmpfs that holds its bundle and those that it gets as files. Blocks for as long as AWS takes.
  // Errors: "ResourceInitializationError: ..."; CANCELLED by `cancel` or begin_close().
  sdk::Result<void> give_secrets(const v1::StartTaskRequest& task, std::size_t container,
                                 const std::filesystem::path& place, const std::stop_token& cancel,
                                 ContainerSpec& spec);
  // The text of an object in S3 that a log router's configuration is to be.
  // Errors: "ResourceInitializationError: ..."; CANCELLED as above.
  sdk::Result<std::string> router_object(const v1::StartTaskRequest& task, const std::string& arn,
                                         const std::stop_token& cancel);
  void started(const std::string& task_id, std::size_t container, std::int64_t started_ms) {
    endpoints_->started(task_id, container, started_ms);
  }
  void checked(const std::string& task_id, std::size_t container, metadata::CheckFacts check) {
    endpoints_->checked(task_id, container, std::move(check));
  }
  void learn(const v1::TaskReport& report) { endpoints_->learn(report); }
  // Before its network namespace is removed.
  void detach(const std::string& task_id, std::size_t container) {
    endpoints_->detach(task_id, container);
  }
  void forget(const std::string& task_id);

  // Whoever waits for credentials, secrets or files waits no longer.
  void begin_close() { closing_.request_stop(); }
  // Ends the endpoints. Nothing else is called afterwards but learn().
  void close();

 private:
  TaskIdentity(Roles::Source source, secrets::ResolverSettings secrets)
      : roles_(std::move(source)), resolver_(std::move(secrets)) {}
  Roles roles_;
  secrets::Resolver resolver_;
  std::stop_source closing_;
  std::unique_ptr<metadata::TaskEndpoints> endpoints_;  // uses the roles
};

// Where secrets, environment files and a log router's configuration come from; and containers' labels
// "berth.secret-file.NAME" = PATH: the secret NAME comes as the file PATH, and not in the
// environment. Errors: INVALID, with the member at fault.
[[nodiscard]] sdk::Result<void> check_secrets(const v1::ecs::ContainerDefinition& container,
                                              const std::string& member);

// Whether a container has variables of secrets (a log router those of the others' secretOptions) or
// of environment files.
[[nodiscard]] bool has_secret_variables(const v1::StartTaskRequest& task, std::size_t container);

}  // namespace berth::runtime
