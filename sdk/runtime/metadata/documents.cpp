// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/documents.hpp"

#include <sys/timex.h>
#include <time.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cstdio>
#include <cstdlib>

namespace berth::runtime::metadata {
namespace {

namespace json = boost::json;

const v1::ecs::ContainerDefinition& definition_of(const TaskFacts& task, std::size_t container) {
  return task.request.definition().container_definitions(static_cast<int>(container));
}

const v1::ecs::ContainerOverride& override_of(const TaskFacts& task, const std::string& name) {
  const auto& all = task.request.overrides().container_overrides();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const auto& o) { return o.name() == name; });
  return at == all.end() ? v1::ecs::ContainerOverride::default_instance() : *at;
}

const v1::ContainerReport& report_of(const TaskFacts& task, const std::string& name) {
  const auto& all = task.report.containers();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.name() == name; });
  return at == all.end() ? v1::ContainerReport::default_instance() : *at;
}

void put_text(json::object& out, const char* name, const std::string& value) {
  if (!value.empty()) out[name] = value;
}
void put_time(json::object& out, const char* name, std::int64_t ms) {
  if (ms != 0) out[name] = rfc3339(ms);
}

json::object texts(const auto& map) {
  json::object out;
  const std::map<std::string, std::string> sorted(map.begin(), map.end());
  for (const auto& [name, value] : sorted) out[name] = value;
  return out;
}

const char* desired_of(const TaskFacts& task) {
  return task.report.phase() >= v1::TASK_PHASE_STOPPING ? "STOPPED" : "RUNNING";
}

// In the agent's own words, which differ from the API's.
const char* known_of(const ContainerFacts& facts, const v1::ContainerReport& report) {
  if (report.last_status() == "STOPPED") return "STOPPED";
  if (report.last_status() == "RUNNING" || facts.started_ms != 0) return "RUNNING";
  return facts.created ? "CREATED" : "NONE";
}

// A task is as far as the container that is least far.
std::string known_of(const TaskFacts& task) {
  constexpr const char* kOrder[] = {"NONE", "CREATED", "RUNNING", "STOPPED"};
  std::size_t least = 3;
  for (std::size_t i = 0; i < task.containers.size(); ++i) {
    const std::string known =
        known_of(task.containers[i], report_of(task, definition_of(task, i).name()));
    std::size_t rank = 0;
    while (known != kOrder[rank]) ++rank;
    // One that has ended holds nothing back while others run.
    if (rank < 3) least = std::min(least, rank);
  }
  if (task.report.phase() == v1::TASK_PHASE_STOPPED) return "STOPPED";
  return kOrder[least];
}

json::array list_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

json::object network_document(const NetworkFacts& network, Version version) {
  json::object out{{"NetworkMode", network.mode}};
  if (!network.ipv4_addresses.empty()) out["IPv4Addresses"] = list_of(network.ipv4_addresses);
  if (version != Version::V4) return out;
  if (network.attachment_index) out["AttachmentIndex"] = *network.attachment_index;
  put_text(out, "MACAddress", network.mac_address);
  put_text(out, "IPv4SubnetCIDRBlock", network.ipv4_subnet_cidr);
  put_text(out, "PrivateDNSName", network.private_dns_name);
  put_text(out, "SubnetGatewayIpv4Address", network.subnet_gateway);
  if (!network.dns_servers.empty()) out["DomainNameServers"] = list_of(network.dns_servers);
  if (!network.dns_search.empty()) out["DomainNameSearchList"] = list_of(network.dns_search);
  return out;
}

// Where a volume of the operator's is on the host is in the definition; where the agent keeps
// others is nobody's business.
void add_volumes(const TaskFacts& task, const v1::ecs::ContainerDefinition& container,
                 json::array& out) {
  for (const auto& point : container.mount_points()) {
    json::object shown;
    for (const auto& volume : task.request.definition().volumes()) {
      if (volume.name() != point.source_volume()) continue;
      put_text(shown, "Source", volume.host().source_path());
    }
    if (shown.empty()) shown["DockerName"] = point.source_volume();
    shown["Destination"] = point.container_path();
    out.emplace_back(std::move(shown));
  }
}

json::array volumes_document(const TaskFacts& task, std::size_t container) {
  json::array out;
  const auto& definition = definition_of(task, container);
  add_volumes(task, definition, out);
  for (const auto& from : definition.volumes_from()) {
    for (const auto& other : task.request.definition().container_definitions()) {
      if (other.name() == from.source_container()) add_volumes(task, other, out);
    }
  }
  return out;
}

json::array ports_document(const v1::ecs::ContainerDefinition& definition,
                           const v1::ContainerReport& report) {
  json::array out;
  for (const auto& binding : report.network_bindings()) {
    json::object port{{"ContainerPort", binding.container_port()},
                      {"Protocol", binding.protocol().empty() ? "tcp" : binding.protocol()}};
    if (binding.host_port() != 0) port["HostPort"] = binding.host_port();
    put_text(port, "HostIp", binding.bind_ip());
    out.emplace_back(std::move(port));
  }
  if (!out.empty()) return out;
  for (const auto& mapping : definition.port_mappings()) {
    if (mapping.container_port() == 0) continue;
    out.emplace_back(
        json::object{{"ContainerPort", mapping.container_port()},
                     {"Protocol", mapping.protocol().empty() ? "tcp" : mapping.protocol()}});
  }
  return out;
}

json::object limits_of_container(const TaskFacts& task, std::size_t container) {
  const auto& definition = definition_of(task, container);
  const auto& changes = override_of(task, definition.name());
  const std::int64_t cpu = changes.has_cpu() ? changes.cpu() : definition.cpu();
  const std::int64_t memory = changes.has_memory() ? changes.memory() : definition.memory();
  return {{"CPU", std::max<std::int64_t>(cpu, 2)}, {"Memory", memory}};
}

// Amounts as ECS takes them: "1024", "1 vCPU"; "512", "1 GB".
std::optional<double> amount(const std::string& text, const char* big_unit, double factor) {
  if (text.empty()) return {};
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) return {};
  std::string unit;
  for (; *end != '\0'; ++end) {
    if (*end != ' ') unit += static_cast<char>(*end | 0x20);
  }
  return unit == big_unit ? number * factor : number;
}

json::object limits_of_task(const TaskFacts& task) {
  const auto& changes = task.request.overrides();
  const auto& definition = task.request.definition();
  json::object limits;
  const auto cpu = amount(changes.has_cpu() ? changes.cpu() : definition.cpu(), "vcpu", 1024);
  const auto memory =
      amount(changes.has_memory() ? changes.memory() : definition.memory(), "gb", 1024);
  if (cpu && *cpu > 0) limits["CPU"] = *cpu / 1024;
  if (memory && *memory > 0) limits["Memory"] = static_cast<std::int64_t>(*memory);
  return limits;
}

void put_health(json::object& out, const v1::ContainerReport& report, const ContainerFacts& facts) {
  if (report.health_status().empty()) return;
  json::object health{{"status", report.health_status()}};
  put_time(health, "statusSince", facts.health_since_ms);
  if (facts.last_check) {
    if (facts.last_check->exit_code != 0) health["exitCode"] = facts.last_check->exit_code;
    put_text(health, "output", facts.last_check->output);
  }
  out["Health"] = std::move(health);
}

json::object clock_document(const ClockFacts& clock) {
  return {
      {"ClockErrorBound", clock.error_bound_ms},
      {"ReferenceTimestamp", rfc3339(clock.at_ms)},
      {"ClockSynchronizationStatus", clock.is_synchronized ? "SYNCHRONIZED" : "NOT_SYNCHRONIZED"}};
}

}  // namespace

std::string rfc3339(std::int64_t ms) {
  const time_t seconds = static_cast<time_t>(ms / 1000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t size = ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char tail[8];
  std::snprintf(tail, sizeof tail, ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text, size) + tail;
}

ClockFacts read_clock() {
  timex clock{};
  const int state = ::adjtimex(&clock);
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {.error_bound_ms = static_cast<double>(clock.maxerror) / 1000,
          .is_synchronized = state >= 0 && state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0,
          .at_ms = std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000};
}

json::object container_document(const TaskFacts& task, std::size_t container, Version version) {
  const auto& definition = definition_of(task, container);
  const ContainerFacts& facts = task.containers[container];
  const v1::ContainerReport& report = report_of(task, definition.name());
  json::object out;
  if (facts.created) put_text(out, "DockerId", facts.created->runtime_id);
  out["Name"] = definition.name();
  if (facts.created)
    out["DockerName"] = "ecs-" + facts.created->runtime_id + "-" + definition.name();
  out["Image"] = definition.image();
  if (facts.created) put_text(out, "ImageID", facts.created->image_id);
  if (auto ports = ports_document(definition, report); !ports.empty())
    out["Ports"] = std::move(ports);
  if (facts.created) out["Labels"] = texts(facts.created->labels);
  out["DesiredStatus"] = desired_of(task);
  out["KnownStatus"] = known_of(facts, report);
  if (report.has_exit_code()) out["ExitCode"] = report.exit_code();
  out["Limits"] = limits_of_container(task, container);
  if (facts.created) put_time(out, "CreatedAt", facts.created->created_ms);
  put_time(out, "StartedAt", facts.started_ms);
  put_time(out, "FinishedAt", facts.finished_ms);
  out["Type"] = "NORMAL";
  put_health(out, report, facts);
  if (auto volumes = volumes_document(task, container); !volumes.empty())
    out["Volumes"] = std::move(volumes);
  if (version == Version::V4) {
    const auto& log = definition.log_configuration();
    out["LogDriver"] = log.log_driver().empty() ? "json-file" : log.log_driver();
    if (!log.options().empty()) out["LogOptions"] = texts(log.options());
    const int index = static_cast<int>(container);
    if (index < task.request.container_arns_size()) {
      out["ContainerARN"] = task.request.container_arns(index);
    }
    if (definition.restart_policy().enabled()) out["RestartCount"] = report.restart_count();
  }
  if (facts.created) {
    out["Networks"] = json::array{network_document(facts.created->network, version)};
  }
  return out;
}

json::object task_document(const TaskFacts& task, Version version, bool with_tags) {
  const auto& request = task.request;
  json::object out{{"Cluster", request.cluster()},
                   {"TaskARN", request.task_arn()},
                   {"Family", request.definition().family()},
                   {"Revision", std::to_string(request.definition().revision())},
                   {"DesiredStatus", desired_of(task)},
                   {"KnownStatus", known_of(task)}};
  if (auto limits = limits_of_task(task); !limits.empty()) out["Limits"] = std::move(limits);
  put_time(out, "PullStartedAt", task.report.pull_started_at().ms());
  put_time(out, "PullStoppedAt", task.report.pull_stopped_at().ms());
  put_time(out, "ExecutionStoppedAt", task.report.execution_stopped_at().ms());
  put_text(out, "AvailabilityZone", request.availability_zone());
  if (version == Version::V4) put_text(out, "LaunchType", request.launch_type());
  if (version == Version::V4 && task.clock) out["ClockDrift"] = clock_document(*task.clock);
  json::array containers;
  for (std::size_t i = 0; i < task.containers.size(); ++i) {
    containers.emplace_back(container_document(task, i, version));
  }
  out["Containers"] = std::move(containers);
  constexpr std::string_view kService = "service:";
  if (version == Version::V4 && request.group().starts_with(kService)) {
    out["ServiceName"] = request.group().substr(kService.size());
  }
  if (with_tags) {
    std::map<std::string, std::string> tags;
    for (const auto& tag : request.tags()) tags[tag.key()] = tag.value();
    if (!tags.empty()) out["TaskTags"] = texts(tags);
    if (!task.instance_tags.empty()) out["ContainerInstanceTags"] = texts(task.instance_tags);
  }
  return out;
}

}  // namespace berth::runtime::metadata
