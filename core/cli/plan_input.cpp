// SPDX-License-Identifier: Apache-2.0
#include "core/cli/plan_input.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ostream>

#include "core/cli/json_access.hpp"
#include "core/cli/table.hpp"

namespace berth::cli {
namespace {

std::string whole(const boost::json::object& object, std::string_view key) {
  return std::to_string(static_cast<long>(number_of(object, key)));
}

Result<boost::json::object> port_of(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
  const std::string number = text.substr(0, slash);
  int port = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
  const bool fine =
      error == std::errc() && end == number.data() + number.size() && port > 0 && port < 65536;
  if (!fine || (protocol != "tcp" && protocol != "udp")) {
    return fail(Errc::Invalid, "--port " + text + ": want a host port, as 8080 or 53/udp");
  }
  return boost::json::object{{"hostPort", port}, {"protocol", protocol}};
}

boost::json::object strategy_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  boost::json::object strategy{{"type", text.substr(0, colon)}};
  if (colon != std::string::npos) strategy["field"] = text.substr(colon + 1);
  return strategy;
}

boost::json::object constraint_of(const std::string& text) {
  if (text == "distinctInstance") return {{"type", text}};
  return {{"type", "memberOf"}, {"expression", text}};
}

std::string host_of(const boost::json::object& place) {
  const std::string ec2 = text_of(place, "ec2InstanceId");
  return ec2.empty() ? text_of(place, "hostname") : ec2;
}

// One word of a shell's command line.
std::string for_shell(const std::string& text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./:=,@%+").find(c) != std::string_view::npos;
  };
  if (std::all_of(text.begin(), text.end(), plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

bool has_needs(const PlanOptions& options) {
  return options.cpu || options.memory_mib || options.gpus || !options.ports.empty() ||
         !options.attributes.empty();
}

Result<boost::json::object> needs_of(const PlanOptions& options) {
  boost::json::object needs;
  if (options.cpu) needs["cpu"] = *options.cpu;
  if (options.memory_mib) needs["memory"] = *options.memory_mib;
  if (options.gpus) needs["gpus"] = *options.gpus;
  boost::json::array ports;
  for (const std::string& text : options.ports) {
    auto port = port_of(text);
    if (!port) return tl::unexpected(port.error());
    ports.push_back(std::move(*port));
  }
  if (!ports.empty()) needs["ports"] = std::move(ports);
  boost::json::array attributes;
  for (const std::string& text : options.attributes) {
    const std::size_t equals = text.find('=');
    boost::json::object attribute{{"name", text.substr(0, equals)}};
    if (equals != std::string::npos) attribute["value"] = text.substr(equals + 1);
    attributes.push_back(std::move(attribute));
  }
  if (!attributes.empty()) needs["attributes"] = std::move(attributes);
  return needs;
}

}  // namespace

Result<boost::json::object> plan_input(const PlanOptions& options) {
  boost::json::object input;
  input["count"] = options.count;
  if (options.definition.empty() == !has_needs(options)) {
    return fail(Errc::Invalid,
                "give either a DEFINITION or what a task needs (--cpu, --memory, --gpus, --port, "
                "--attribute)");
  }
  if (options.definition.empty()) {
    auto needs = needs_of(options);
    if (!needs) return tl::unexpected(needs.error());
    input["requirement"] = std::move(*needs);
  } else {
    input["taskDefinition"] = options.definition;
  }
  if (!options.launch_type.empty()) input["launchType"] = options.launch_type;
  if (!options.capacity_provider.empty()) {
    input["capacityProviderStrategy"] =
        boost::json::array{{{"capacityProvider", options.capacity_provider}}};
  }
  if (!options.group.empty()) input["group"] = options.group;
  boost::json::array strategies;
  for (const std::string& text : options.strategies) strategies.push_back(strategy_of(text));
  if (!strategies.empty()) input["placementStrategy"] = std::move(strategies);
  boost::json::array constraints;
  for (const std::string& text : options.constraints) constraints.push_back(constraint_of(text));
  if (!constraints.empty()) input["placementConstraints"] = std::move(constraints);
  return input;
}

std::string plan_command(const boost::json::object& unplaced, const std::string& cluster) {
  const std::string definition = tail_of(text_of(unplaced, "taskDefinitionArn"));
  const std::string group = text_of(unplaced, "group");
  std::string command = "berth plan " + definition + " --count " + whole(unplaced, "count");
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) command += " " + std::string(option) + " " + for_shell(value);
  };
  add("--cluster", cluster);
  add("--launch-type", text_of(unplaced, "launchType"));
  for (const auto& item : list_of(unplaced, "capacityProviderStrategy")) {
    if (item.is_object()) {
      add("--capacity-provider", text_of(item.as_object(), "capacityProvider"));
      break;
    }
  }
  if (group != "family:" + definition.substr(0, definition.rfind(':'))) add("--group", group);
  for (const auto& item : list_of(unplaced, "placementStrategy")) {
    if (!item.is_object()) continue;
    const std::string field = text_of(item.as_object(), "field");
    add("--strategy", text_of(item.as_object(), "type") + (field.empty() ? "" : ":" + field));
  }
  for (const auto& item : list_of(unplaced, "placementConstraints")) {
    if (!item.is_object()) continue;
    const std::string expression = text_of(item.as_object(), "expression");
    add("--constraint", expression.empty() ? text_of(item.as_object(), "type") : expression);
  }
  return command;
}

void print_refusals(std::ostream& out, const boost::json::array& refusals) {
  if (refusals.empty()) return;
  Table table({"REASON", "INSTANCES", "CLOSEST", "THERE"});
  for (const auto& item : refusals) {
    if (!item.is_object()) continue;
    const auto& refusal = item.as_object();
    const auto& closest = object_of(refusal, "closest");
    table.row({text_of(refusal, "reason"), whole(refusal, "instances"),
               tail_of(text_of(closest, "containerInstanceArn")), text_of(closest, "detail")});
  }
  table.print(out);
}

void print_plan(std::ostream& out, const boost::json::object& plan) {
  const auto& places = list_of(plan, "placements");
  if (!places.empty()) {
    Table table({"INSTANCE", "HOST", "ZONE", "CAPACITY", "TASKS"});
    for (const auto& item : places) {
      if (!item.is_object()) continue;
      const auto& place = item.as_object();
      const std::string provider = text_of(place, "capacityProvider");
      table.row({tail_of(text_of(place, "containerInstanceArn")), host_of(place),
                 text_of(place, "availabilityZone"),
                 provider.empty() ? text_of(place, "launchType") : provider,
                 whole(place, "tasks")});
    }
    table.print(out);
  }
  const auto& refusals = list_of(plan, "refusals");
  const bool all = number_of(plan, "unplacedCount") == 0;
  out << (places.empty() ? "" : "\n") << whole(plan, "placedCount") << " of "
      << whole(plan, "count") << " tasks fit. Nothing is reserved.";
  const auto* random = plan.if_contains("random");
  if (!places.empty() && random != nullptr && random->is_bool() && random->as_bool()) {
    out << " The strategy is random: another draw may choose other instances.";
  }
  out << '\n';
  if (all) return;
  if (refusals.empty()) {
    out << "The cluster has no container instance that this launch type may use: join a host, or "
           "name another --cluster, --launch-type or --capacity-provider.\n";
    return;
  }
  out << "The next one finds no place:\n";
  print_refusals(out, refusals);
  out << "Ask for less, free what is short, add an instance, or relax the constraints.\n";
}

}  // namespace berth::cli
