// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_identity.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <utility>

#include "sdk/runtime/network/name_files.hpp"
#include "sdk/runtime/options/firelens.hpp"
#include "sdk/runtime/secrets/secret_place.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/either_stop.hpp"

namespace berth::runtime {
namespace {

const std::string kFileLabel = "berth.secret-file.";

const std::string& task_role(const v1::StartTaskRequest& task) {
  return task.overrides().has_task_role_arn() ? task.overrides().task_role_arn()
                                              : task.definition().task_role_arn();
}

bool has_environment_files(const v1::StartTaskRequest& task,
                           const v1::ecs::ContainerDefinition& container) {
  return container.environment_files_size() > 0 ||
         override_of(task, container.name()).environment_files_size() > 0;
}

// All that a container is given in secret by name: a log router also what others' logs need.
std::vector<v1::ecs::Secret> secrets_of(const v1::StartTaskRequest& task, std::size_t index) {
  const auto& container = task.definition().container_definitions(static_cast<int>(index));
  std::vector<v1::ecs::Secret> out(container.secrets().begin(), container.secrets().end());
  if (!container.has_firelens_configuration()) return out;
  for (auto& secret : options::router_secrets(task.definition())) out.push_back(std::move(secret));
  return out;
}

// Of a resolv.conf's lines that begin with the word.
std::vector<std::string> words_after(const std::string& word, const std::string& text) {
  std::vector<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string one;
    if (!(words >> one) || one != word) continue;
    while (words >> one) out.push_back(one);
  }
  return out;
}

metadata::NetworkFacts network_of(const v1::StartTaskRequest& task, std::size_t container,
                                  const Endpoint& endpoint) {
  metadata::NetworkFacts facts;
  facts.mode = task.definition().network_mode();
  if (facts.mode.empty()) facts.mode = "bridge";
  if (!endpoint.address.empty()) facts.ipv4_addresses.push_back(endpoint.address);
  if (facts.mode != "awsvpc") return facts;
  const auto& interface = task.task_interface();
  facts.ipv4_addresses = {interface.address()};
  facts.attachment_index = 0;
  facts.mac_address = interface.mac_address();
  facts.ipv4_subnet_cidr = interface.subnet_cidr();
  facts.private_dns_name = interface.private_dns_name();
  facts.subnet_gateway = interface.gateway() + "/" + std::to_string(interface.prefix_length());
  const auto& definition = task.definition().container_definitions(static_cast<int>(container));
  const DnsOptions dns{
      .servers = {definition.dns_servers().begin(), definition.dns_servers().end()},
      .search = {definition.dns_search_domains().begin(), definition.dns_search_domains().end()}};
  const std::string resolved = resolv_conf(read_host_resolv_conf(), dns, true);
  facts.dns_servers = words_after("nameserver", resolved);
  facts.dns_search = words_after("search", resolved);
  return facts;
}

}  // namespace

sdk::Result<std::unique_ptr<TaskIdentity>> TaskIdentity::open(
    metadata::TaskEndpoints::Options options, secrets::ResolverSettings secrets,
    Roles::Source source, Stats stats, Memory memory) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    return sdk::fail(BERTH_INTERNAL,
                     "cannot make " + options.directory.string() + ": " + error.message());
  }
  std::unique_ptr<TaskIdentity> identity(new TaskIdentity(std::move(source), std::move(secrets)));
  auto endpoints = metadata::TaskEndpoints::start(
      std::move(options), {.stats = std::move(stats),
                           .memory = std::move(memory),
                           .roles = identity->roles_});
  if (!endpoints) return endpoints.error();
  identity->endpoints_ = std::move(*endpoints);
  return identity;
}

sdk::Result<void> TaskIdentity::await_role(const v1::StartTaskRequest& task, std::stop_token stop) {
  const std::string& arn = task_role(task);
  if (arn.empty()) return {};
  const auto got =
      roles_.wait(task.task_id(), v1::TaskCredentialsRequest::ROLE_TASK, std::move(stop));
  if (got) return {};
  if (got.error().status == BERTH_CANCELLED) return got.error();
  spdlog::warn("tasks: the role {} of task {} cannot be had: {}", arn, task.task_id(),
               got.error().message);
  return sdk::fail(got.error().status, cannot_assume(arn), "taskRoleArn");
}

sdk::Result<void> TaskIdentity::attach(const v1::StartTaskRequest& task, std::size_t container,
                                       const Endpoint& endpoint, const image::Image& image,
                                       std::int64_t created_ms) {
  return endpoints_->attach(task, container,
                            {.runtime_id = task.task_id() + "-" + std::to_string(container),
                             .image_id = image.id,
                             .labels = merge_labels(task, container, image.config),
                             .network = network_of(task, container, endpoint),
                             .created_ms = created_ms},
                            endpoint.netns_path);
}

std::vector<std::string> TaskIdentity::environment(const v1::StartTaskRequest& task,
                                                   std::size_t container,
                                                   const Endpoint& endpoint) const {
  return endpoints_->environment(task, container, !endpoint.netns_path.empty());
}

void TaskIdentity::forget(const std::string& task_id) {
  endpoints_->forget(task_id);
  roles_.forget(task_id);
}

void TaskIdentity::close() {
  begin_close();
  endpoints_->close();
}

// ---- Secrets

sdk::Result<void> TaskIdentity::give_secrets(const v1::StartTaskRequest& task,
                                             std::size_t container,
                                             const std::filesystem::path& place,
                                             const std::stop_token& cancel, ContainerSpec& spec) {
  const EitherStop stop(cancel, closing_.get_token());
  const auto& definition = task.definition().container_definitions(static_cast<int>(container));
  const auto credentials = [&] {
    return roles_.wait(task.task_id(), v1::TaskCredentialsRequest::ROLE_EXECUTION,
                       stop.token());
  };
  auto files = resolver_.environment_files(task, container, credentials, stop.token());
  if (!files) return files.error();
  // The image's variables give way to them, the definition's and the override's do not.
  std::set<std::string> said;
  for (const auto& pair : definition.environment()) said.insert(pair.name());
  for (const auto& pair : override_of(task, definition.name()).environment())
    said.insert(pair.name());
  for (const auto& [name, value] : *files) {
    if (!said.contains(name)) put_env(spec.env, name, value);
  }
  const auto wanted = secrets_of(task, container);
  if (wanted.empty() && !has_environment_files(task, definition)) return {};
  auto values = resolver_.secrets(task, wanted, credentials, stop.token());
  if (!values) return values.error();
  if (auto opened = secrets::open_place(place); !opened) return opened.error();
  spec.bundle_dir = place / "bundle";
  std::vector<secrets::SecretFile> as_files;
  for (auto& [name, value] : *values) {
    const auto path = definition.docker_labels().find(kFileLabel + name);
    if (path != definition.docker_labels().end()) {
      as_files.push_back({path->second, std::move(value)});
    } else {
      put_env(spec.env, name, value);
    }
  }
  auto mounts = secrets::write_files(place, as_files, {spec.ids.on_host(spec.uid), spec.ids.on_host(spec.gid)});
  if (!mounts) return mounts.error();
  v1::OciEdits edits;
  for (auto& mount : *mounts) *edits.add_mounts() = std::move(mount);
  if (!mounts->empty()) spec.edits.push_back(std::move(edits));
  return {};
}

sdk::Result<std::string> TaskIdentity::router_object(const v1::StartTaskRequest& task,
                                                     const std::string& arn,
                                                     const std::stop_token& cancel) {
  const EitherStop stop(cancel, closing_.get_token());
  const auto credentials = [&] {
    return roles_.wait(task.task_id(), v1::TaskCredentialsRequest::ROLE_EXECUTION, stop.token());
  };
  auto text = resolver_.object(arn, task, credentials, stop.token());
  if (text || text.error().status == BERTH_CANCELLED) return text;
  return sdk::fail(text.error().status,
                   "ResourceInitializationError: failed to download the log router's configuration: " +
                       arn + ": " + text.error().message);
}

bool has_secret_variables(const v1::StartTaskRequest& task, std::size_t index) {
  const auto& container = task.definition().container_definitions(static_cast<int>(index));
  const auto& labels = container.docker_labels();
  const auto secrets = secrets_of(task, index);
  return has_environment_files(task, container) ||
         std::any_of(secrets.begin(), secrets.end(),
                     [&](const auto& one) { return !labels.contains(kFileLabel + one.name()); });
}

sdk::Result<void> check_secrets(const v1::ecs::ContainerDefinition& container,
                                const std::string& member) {
  std::set<std::string> names;
  for (int i = 0; i < container.secrets_size(); ++i) {
    const auto& secret = container.secrets(i);
    const std::string at = member + "secrets[" + std::to_string(i) + "]";
    const bool bad = secret.name().empty() || secret.name().find('=') != std::string::npos ||
                     secret.name().find('\0') != std::string::npos;
    if (bad)
      return sdk::fail(BERTH_INVALID,
                       "'" + secret.name() + "' cannot be the name of an environment variable.",
                       at + ".name");
    const auto from = secrets::parse_value_from(secret.value_from());
    if (!from) return sdk::fail(BERTH_INVALID, from.error().message + ".", at + ".valueFrom");
    names.insert(secret.name());
  }
  const auto& log = container.log_configuration();
  for (int i = 0; i < log.secret_options_size(); ++i) {
    const auto from = secrets::parse_value_from(log.secret_options(i).value_from());
    const std::string at = member + "logConfiguration.secretOptions[" + std::to_string(i) + "]";
    if (!from) return sdk::fail(BERTH_INVALID, from.error().message + ".", at + ".valueFrom");
  }
  for (int i = 0; i < container.environment_files_size(); ++i) {
    const auto& file = container.environment_files(i);
    const std::string at = member + "environmentFiles[" + std::to_string(i) + "]";
    if (file.type() != "s3")
      return sdk::fail(BERTH_INVALID, "The type of an environment file is s3.", at + ".type");
    const auto object = secrets::parse_s3_arn(file.value());
    if (!object) return sdk::fail(BERTH_INVALID, object.error().message + ".", at + ".value");
  }
  for (const auto& [label, path] : container.docker_labels()) {
    if (!label.starts_with(kFileLabel)) continue;
    const std::string at = member + "dockerLabels[" + label + "]";
    const std::string name = label.substr(kFileLabel.size());
    if (!names.contains(name))
      return sdk::fail(BERTH_INVALID, "There is no secret '" + name + "'.", at);
    if (!path.starts_with('/') || path.ends_with('/') || path.find("/../") != std::string::npos ||
        path.ends_with("/..")) {
      return sdk::fail(BERTH_INVALID, "'" + path + "' is no absolute path of a file.", at);
    }
  }
  return {};
}

}  // namespace berth::runtime
