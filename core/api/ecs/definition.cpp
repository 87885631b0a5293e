// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/definition.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/api/ecs/definition_rules.hpp"
#include "core/model/arn.hpp"

namespace berth::api {
namespace {

constexpr std::size_t kExpressionLength = 2000;

Result<void> check_size(Registration& request) {
  if (request.has_cpu()) {
    const auto cpu = parse_cpu(request.cpu());
    if (!cpu || *cpu < 128 || *cpu > 196'608) {
      return refuse_definition(
          "Invalid 'cpu' setting for task. '" + request.cpu() +
              "' is no number of CPU units from 128 to 196608, nor of vCPUs (\"1 vCPU\").",
          "cpu");
    }
    request.set_cpu(std::to_string(*cpu));
  }
  if (request.has_memory()) {
    const auto memory = parse_memory(request.memory());
    if (!memory || *memory < 4 || *memory > (1 << 30)) {
      return refuse_definition("Invalid 'memory' setting for task. '" + request.memory() +
                                   "' is no number of MiB, nor of gigabytes (\"1GB\").",
                               "memory");
    }
    request.set_memory(std::to_string(*memory));
  }
  return {};
}

Result<void> check_placement(const Registration& request, const ExpressionCheck& expression) {
  int index = 0;
  for (const auto& constraint : request.placement_constraints()) {
    const std::string path = "placementConstraints[" + std::to_string(index++) + "].expression";
    if (constraint.expression().empty()) {
      return refuse_definition(path + " should not be null or empty.", path);
    }
    if (constraint.expression().size() > kExpressionLength) {
      return refuse_definition(path + " can have at most 2000 characters.", path);
    }
    if (!expression) continue;
    if (auto read = expression(constraint.expression()); !read) {
      return refuse_definition(
          "Invalid expression '" + constraint.expression() + "': " + read.error().message, path);
    }
  }
  return {};
}

Result<void> check_volumes(const Registration& request) {
  std::set<std::string> names;
  for (const auto& volume : request.volumes()) {
    if (!is_valid_name(volume.name())) {
      return refuse_definition(
          "Volume name '" + volume.name() + "' may hold letters, digits, '_' and '-' only.",
          "volumes");
    }
    if (!names.insert(volume.name()).second) {
      return refuse_definition("Volume names must be unique: '" + volume.name() + "'.", "volumes");
    }
    const int kinds = int{!volume.host().source_path().empty()} +
                      int{volume.has_docker_volume_configuration()} +
                      int{volume.has_efs_volume_configuration()} +
                      int{volume.has_s3files_volume_configuration()} +
                      int{volume.has_fsx_windows_file_server_volume_configuration()} +
                      int{volume.configured_at_launch()};
    if (kinds > 1) {
      return refuse_definition(
          "Volume '" + volume.name() + "' can have one kind of configuration only.", "volumes");
    }
    const auto& docker = volume.docker_volume_configuration();
    if (docker.has_autoprovision() && docker.scope() != "shared") {
      return refuse_definition(
          "Volume '" + volume.name() + "': autoprovision is for volumes of scope 'shared' only.",
          "volumes");
    }
  }
  return {};
}

Result<void> check_sums(const Registration& request) {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  const auto task_cpu = parse_cpu(request.cpu());
  const auto task_memory = parse_memory(request.memory());
  for (const auto& container : request.container_definitions()) {
    cpu += container.cpu();
    memory +=
        container.has_memory_reservation() ? container.memory_reservation() : container.memory();
    if (request.has_memory() && container.memory() > *task_memory) {
      return refuse_definition("Invalid setting for container '" + container.name() +
                                   "'. 'memory' exceeds the memory of the task.",
                               "containerDefinitions");
    }
  }
  if (request.has_cpu() && cpu > *task_cpu) {
    return refuse_definition("Invalid 'cpu' setting for task. The containers ask for " +
                                 std::to_string(cpu) + " CPU units in all, the task has " +
                                 request.cpu() + ".",
                             "cpu");
  }
  if (request.has_memory() && memory > *task_memory) {
    return refuse_definition("Invalid 'memory' setting for task. The containers ask for " +
                                 std::to_string(memory) + " MiB in all, the task has " +
                                 request.memory() + ".",
                             "memory");
  }
  return {};
}

Result<void> check_compatibilities(const Registration& request) {
  const auto& asked = request.requires_compatibilities();
  if (std::ranges::find(asked, "FARGATE") != asked.end()) {
    if (auto refusal = fargate_refusal(request)) {
      return refuse_definition(*refusal, "requiresCompatibilities");
    }
  }
  if (std::ranges::find(asked, "EXTERNAL") != asked.end() && request.network_mode() == "awsvpc") {
    return refuse_definition("External launch type does not support network mode 'awsvpc'.",
                             "networkMode");
  }
  return {};
}

Result<void> check_proxy(const Registration& request) {
  if (!request.has_proxy_configuration()) return {};
  if (request.network_mode() != "awsvpc") {
    return refuse_definition("proxyConfiguration is for network mode 'awsvpc' only.",
                             "proxyConfiguration");
  }
  const std::string& name = request.proxy_configuration().container_name();
  const bool known = std::ranges::any_of(request.container_definitions(),
                                         [&](const auto& c) { return c.name() == name; });
  if (known) return {};
  return refuse_definition("proxyConfiguration refers to unknown container '" + name + "'.",
                           "proxyConfiguration.containerName");
}

}  // namespace

tl::unexpected<Error> refuse_definition(std::string text, std::string path) {
  return fail(Errc::Invalid, std::move(text), Subject::Definition, std::move(path));
}

Result<void> check_definition(Registration& request, const ExpressionCheck& expression) {
  if (!is_valid_name(request.family())) {
    return refuse_definition(
        "Family contains invalid characters: up to 255 letters, digits, '_' and '-' are allowed.",
        "family");
  }
  if (auto done = check_tags(request.tags()); !done) return done;
  if (auto done = check_size(request); !done) return done;
  if (auto done = check_volumes(request); !done) return done;
  if (auto done = check_containers(request); !done) return done;
  if (auto done = check_dependencies(request); !done) return done;
  if (auto done = check_ports(request); !done) return done;
  if (auto done = check_sums(request); !done) return done;
  if (auto done = check_placement(request, expression); !done) return done;
  if (auto done = check_proxy(request); !done) return done;
  return check_compatibilities(request);
}

Result<void> check_tags(const google::protobuf::RepeatedPtrField<ecs::Tag>& tags) {
  std::set<std::string> keys;
  for (const auto& tag : tags) {
    const auto invalid = [&](const std::string& why) {
      return fail(Errc::Invalid, "Invalid tag '" + tag.key() + "': " + why, Subject::Request,
                  "tags");
    };
    std::string start = tag.key().substr(0, 4);
    std::ranges::transform(start, start.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (start == "aws:") return invalid("the prefix aws: is reserved.");
    if (!keys.insert(tag.key()).second) return invalid("keys must be unique.");
    // Letters of any script are allowed, so only ASCII can be judged by the byte; lengths are in
    // characters.
    const auto characters = [](const std::string& text) {
      return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
    };
    if (characters(tag.key()) > 128) return invalid("a key has at most 128 characters.");
    if (characters(tag.value()) > 256) return invalid("a value has at most 256 characters.");
    for (const char c : tag.key() + tag.value()) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      const bool other = static_cast<unsigned char>(c) >= 0x80;
      if (!plain && !other && std::string_view("_.:/=+-@ ").find(c) == std::string_view::npos) {
        return invalid("letters, digits, blanks and _.:/=+-@ are allowed.");
      }
    }
  }
  return {};
}

}  // namespace berth::api
