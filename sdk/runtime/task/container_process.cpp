// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/container_process.hpp"

#include <charconv>
#include <csignal>
#include <cstring>

namespace berth::runtime {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<std::string> list_of(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

// Docker's rule: a new entry point takes the image's command with it.
std::vector<std::string> merge_args(const v1::ecs::ContainerDefinition& definition,
                                    const v1::ecs::ContainerOverride& changes, const image::ImageConfig& image) {
  std::vector<std::string> args = list_of(definition.entry_point());
  const bool own_entry_point = !args.empty();
  if (!own_entry_point) args = image.entrypoint;
  std::vector<std::string> command = list_of(changes.command());
  if (command.empty()) command = list_of(definition.command());
  if (command.empty() && !own_entry_point) command = image.cmd;
  args.insert(args.end(), command.begin(), command.end());
  return args;
}

int parse_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : -1;
}

}  // namespace

const v1::ecs::ContainerOverride& override_of(const v1::StartTaskRequest& task, const std::string& container) {
  for (const auto& entry : task.overrides().container_overrides()) {
    if (entry.name() == container) return entry;
  }
  return v1::ecs::ContainerOverride::default_instance();
}

void put_env(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  for (std::string& entry : env) {
    if (name_of(entry) == name) {
      entry = name + "=" + value;
      return;
    }
  }
  env.push_back(name + "=" + value);
}

void add_default(std::vector<std::string>& env, std::string_view name, const std::string& value) {
  for (const std::string& entry : env) {
    if (name_of(entry) == name) return;
  }
  env.push_back(std::string(name) + "=" + value);
}

sdk::Result<ContainerProcess> merge_process(const v1::StartTaskRequest& task, std::size_t container,
                                            const image::ImageConfig& image, const std::string& hostname) {
  const auto& definition = task.definition().container_definitions(static_cast<int>(container));
  const auto& changes = override_of(task, definition.name());
  ContainerProcess out;
  out.args = merge_args(definition, changes, image);
  if (out.args.empty()) {
    return sdk::fail(BERTH_INVALID, "no command: neither the image nor the task definition says what to run");
  }
  for (const std::string& entry : image.env) {
    if (entry.find('=') != std::string::npos) out.env.push_back(entry);
  }
  for (const auto& pair : definition.environment()) put_env(out.env, pair.name(), pair.value());
  for (const auto& pair : changes.environment()) put_env(out.env, pair.name(), pair.value());
  add_default(out.env, "PATH", kDefaultPath);
  add_default(out.env, "HOSTNAME", hostname);
  if (task.launch_type() == "EC2") add_default(out.env, "AWS_EXECUTION_ENV", "AWS_ECS_EC2");
  if (task.launch_type() == "FARGATE") add_default(out.env, "AWS_EXECUTION_ENV", "AWS_ECS_FARGATE");
  out.cwd = !definition.working_directory().empty() ? definition.working_directory() : image.working_dir;
  if (out.cwd.empty()) out.cwd = "/";
  out.user = !definition.user().empty() ? definition.user() : image.user;
  return out;
}

std::map<std::string, std::string> merge_labels(const v1::StartTaskRequest& task, std::size_t container,
                                                const image::ImageConfig& image) {
  const auto& definition = task.definition().container_definitions(static_cast<int>(container));
  std::map<std::string, std::string> labels = image.labels;
  for (const auto& [name, value] : definition.docker_labels()) labels[name] = value;
  labels["com.amazonaws.ecs.cluster"] = task.cluster();
  labels["com.amazonaws.ecs.container-name"] = definition.name();
  labels["com.amazonaws.ecs.task-arn"] = task.task_arn();
  labels["com.amazonaws.ecs.task-definition-family"] = task.definition().family();
  labels["com.amazonaws.ecs.task-definition-version"] = std::to_string(task.definition().revision());
  return labels;
}

int parse_signal(std::string_view text) {
  if (const int number = parse_number(text); number > 0 && number <= SIGRTMAX) return number;
  if (text.starts_with("SIG")) text.remove_prefix(3);
  if (text.starts_with("RTMIN")) {
    text.remove_prefix(5);
    if (text.empty()) return SIGRTMIN;
    const int more = text.front() == '+' ? parse_number(text.substr(1)) : -1;
    return more >= 0 && more <= SIGRTMAX - SIGRTMIN ? SIGRTMIN + more : 0;
  }
  for (int number = 1; number < SIGRTMIN; ++number) {
    const char* name = ::sigabbrev_np(number);
    if (name != nullptr && text == name) return number;
  }
  return 0;
}

}  // namespace berth::runtime
