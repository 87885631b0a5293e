// SPDX-License-Identifier: Apache-2.0
// FireLens: a container of a task (firelensConfiguration) that takes the logs of the others (log
// driver awsfirelens).
//
// Threads: any; pure. Errors: INVALID and UNIMPLEMENTED, with the member at fault.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime::options {

struct LogRouter {
  enum class Type { Fluentbit, Fluentd };
  int container = 0;  // index
  Type type = Type::Fluentbit;
  bool with_metadata = true;  // of the task, in each record
  // A configuration of the user's that is read after what is generated: a file of its image, or an
  // object in S3 by its ARN. At most one of them.
  std::string own_file{};
  std::string own_object{};
};

// The log router of the task; also checks every logConfiguration of it that names awsfirelens.
[[nodiscard]] sdk::Result<std::optional<LogRouter>> read_log_router(
    const v1::ecs::TaskDefinition& task);

// Whether the container's log goes to the router.
[[nodiscard]] bool is_routed(const v1::ecs::ContainerDefinition& container);

// What its records are tagged with: "NAME-firelens-TASK".
[[nodiscard]] std::string router_tag(const std::string& container, const std::string& task_id);

// The secretOptions of the others, as variables of the router: name and valueFrom of each.
[[nodiscard]] std::vector<v1::ecs::Secret> router_secrets(const v1::ecs::TaskDefinition& task);
// What the variable is called that holds a secret option of the container of this index.
[[nodiscard]] std::string router_variable(const std::string& option, int container);

// Options of logConfiguration that are the log driver's, not the router's.
[[nodiscard]] bool is_driver_option(std::string_view name, std::string_view value);

// Where the router sees its files.
inline constexpr const char* kRouterSockets = "/var/run";
inline constexpr const char* kRouterSocket = "/var/run/fluent.sock";
inline constexpr int kRouterPort = 24'224;
[[nodiscard]] const char* router_config_path(LogRouter::Type type);
[[nodiscard]] const char* router_object_path(LogRouter::Type type);

}  // namespace berth::runtime::options
