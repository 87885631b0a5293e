// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/firelens.hpp"

#include <algorithm>
#include <map>

#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

using Definition = v1::ecs::ContainerDefinition;
using Options = std::map<std::string, std::string>;

// They become a line of a configuration: nothing in them may begin another.
bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= 200 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@_.-") ==
             std::string_view::npos;
}

bool is_value(std::string_view text) {
  return text.size() <= 4'000 && std::all_of(text.begin(), text.end(), [](char c) {
           return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 127);
         });
}

// Fluent Bit reads its configuration in one language at a time; ours is the one with sections.
bool is_yaml(std::string_view path) {
  return path.ends_with(".yaml") || path.ends_with(".yml");
}

sdk::Result<void> read_own_config(const Options& wanted, const std::string& field, LogRouter& out) {
  const auto type = wanted.find("config-file-type");
  const auto value = wanted.find("config-file-value");
  if ((type == wanted.end()) != (value == wanted.end())) {
    return wrong(field, "config-file-type and config-file-value go together.");
  }
  if (type == wanted.end()) return {};
  if (is_yaml(value->second)) {
    return unsupported(field, "config-file-value '" + value->second + "': YAML is not acted on");
  }
  if (type->second == "file") {
    if (!is_plain_path(value->second) || !is_value(value->second)) {
      return wrong(field, "config-file-value '" + value->second + "' is no absolute path.");
    }
    out.own_file = value->second;
    return {};
  }
  if (type->second != "s3") {
    return wrong(field, "config-file-type '" + type->second + "' is neither file nor s3.");
  }
  if (!value->second.starts_with("arn:") || !is_value(value->second)) {
    return wrong(field, "config-file-value '" + value->second + "' is no ARN of an object in S3.");
  }
  out.own_object = value->second;
  return {};
}

// Its own mounts would be hidden, or hide.
sdk::Result<void> check_mounts(const Definition& container, int index, LogRouter::Type type) {
  for (int i = 0; i < container.mount_points_size(); ++i) {
    const std::string& path = container.mount_points(i).container_path();
    if (path != kRouterSockets && path != router_config_path(type)) continue;
    return wrong(at(of_container(index, "mountPoints"), i) + ".containerPath",
                 "A log router has its own " + path + ".");
  }
  return {};
}

sdk::Result<LogRouter> read_router(const Definition& container, int index) {
  const auto& configuration = container.firelens_configuration();
  const std::string field = of_container(index, "firelensConfiguration.");
  LogRouter out{.container = index};
  if (configuration.type() == "fluentd") {
    out.type = LogRouter::Type::Fluentd;
  } else if (configuration.type() != "fluentbit") {
    return wrong(field + "type",
                 "'" + configuration.type() + "' is neither fluentbit nor fluentd.");
  }
  if (is_routed(container)) {
    return wrong(of_container(index, "logConfiguration.logDriver"),
                 "A log router cannot send its own log to itself.");
  }
  const Options wanted(configuration.options().begin(), configuration.options().end());
  for (const auto& [name, value] : wanted) {
    if (name == "config-file-type" || name == "config-file-value") continue;
    if (name != "enable-ecs-log-metadata") {
      return unsupported(field + "options", name + " is not acted on");
    }
    if (value != "true" && value != "false") {
      return wrong(field + "options", name + " is neither true nor false.");
    }
    out.with_metadata = value == "true";
  }
  if (auto read = read_own_config(wanted, field + "options", out); !read) return read.error();
  if (auto good = check_mounts(container, index, out.type); !good) return good.error();
  return out;
}

sdk::Result<void> check_routed(const Definition& container, int index) {
  const auto& log = container.log_configuration();
  for (const auto& [name, value] : Options(log.options().begin(), log.options().end())) {
    if (!is_key(name) || !is_value(value)) {
      return wrong(of_container(index, "logConfiguration.options"),
                   "The option '" + name + "' is no name and value of one line.");
    }
  }
  for (int i = 0; i < log.secret_options_size(); ++i) {
    const std::string& name = log.secret_options(i).name();
    const std::string field = at(of_container(index, "logConfiguration.secretOptions"), i);
    if (!is_key(name) || is_driver_option(name, "")) {
      return wrong(field + ".name", "'" + name + "' is no option of an output.");
    }
    if (log.options().contains(name)) {
      return wrong(field + ".name", "'" + name + "' is among the options as well.");
    }
  }
  return {};
}

}  // namespace

bool is_routed(const Definition& container) {
  return container.log_configuration().log_driver() == "awsfirelens";
}

std::string router_tag(const std::string& container, const std::string& task_id) {
  return container + "-firelens-" + task_id;
}

bool is_driver_option(std::string_view name, std::string_view value) {
  if (name == "mode") return value.empty() || value == "blocking" || value == "non-blocking";
  return name == "max-buffer-size" || name == "log-driver-buffer-limit";
}

const char* router_config_path(LogRouter::Type type) {
  return type == LogRouter::Type::Fluentbit ? "/fluent-bit/etc/fluent-bit.conf"
                                            : "/fluentd/etc/fluent.conf";
}

const char* router_object_path(LogRouter::Type type) {
  return type == LogRouter::Type::Fluentbit ? "/fluent-bit/etc/external.conf"
                                            : "/fluentd/etc/external.conf";
}

std::string router_variable(const std::string& option, int container) {
  std::string name = option + "_" + std::to_string(container);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-' || c == '@'; }, '_');
  return name;
}

std::vector<v1::ecs::Secret> router_secrets(const v1::ecs::TaskDefinition& task) {
  std::vector<v1::ecs::Secret> out;
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    if (!is_routed(task.container_definitions(i))) continue;
    for (const auto& secret : task.container_definitions(i).log_configuration().secret_options()) {
      v1::ecs::Secret& one = out.emplace_back();
      one.set_name(router_variable(secret.name(), i));
      one.set_value_from(secret.value_from());
    }
  }
  return out;
}

sdk::Result<std::optional<LogRouter>> read_log_router(const v1::ecs::TaskDefinition& task) {
  std::optional<LogRouter> out;
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    const auto& container = task.container_definitions(i);
    if (!container.has_firelens_configuration()) continue;
    if (out) {
      return wrong(of_container(i, "firelensConfiguration"),
                   "Only one container of a task can have a firelensConfiguration.");
    }
    auto router = read_router(container, i);
    if (!router) return router.error();
    out = std::move(*router);
  }
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    const auto& container = task.container_definitions(i);
    if (is_routed(container)) {
      if (!out) {
        return wrong(of_container(i, "logConfiguration.logDriver"),
                     "The log driver awsfirelens needs a container with a firelensConfiguration.");
      }
      if (auto good = check_routed(container, i); !good) return good.error();
    } else if (container.log_configuration().secret_options_size() > 0) {
      return unsupported(of_container(i, "logConfiguration.secretOptions"),
                         "they are acted on with the log driver awsfirelens alone");
    }
  }
  return out;
}

}  // namespace berth::runtime::options
