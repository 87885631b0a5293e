// SPDX-License-Identifier: Apache-2.0
#include "core/placement/types.hpp"

#include <algorithm>
#include <string>

namespace berth::placement {
namespace {

constexpr std::string_view kAttributePrefix = "attribute:";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

Error bad_field(std::string_view type, std::string_view field, std::string_view want) {
  return Error{Error::Code::Invalid,
               "The placement strategy " + std::string(type) + " has the field '" +
                   std::string(field) + "'; it takes " + std::string(want) + ".",
               "field"};
}

}  // namespace

Result<Strategy> parse_strategy(std::string_view type, std::string_view field) {
  const std::string kind = lower(type);
  const std::string name = lower(field);
  if (kind == "random")
    return Strategy{Strategy::Kind::Random};  // ECS takes a field here and drops it
  if (kind == "spread") {
    if (name == "instanceid" || name == "host") return Strategy{Strategy::Kind::SpreadInstance};
    if (name.starts_with(kAttributePrefix) && name.size() > kAttributePrefix.size()) {
      return Strategy{Strategy::Kind::SpreadAttribute,
                      std::string(field.substr(kAttributePrefix.size()))};
    }
    return bad_field("spread", field, "instanceId, host or attribute:<name>");
  }
  if (kind == "binpack") {
    if (name == "cpu") return Strategy{Strategy::Kind::BinpackCpu};
    if (name == "memory") return Strategy{Strategy::Kind::BinpackMemory};
    return bad_field("binpack", field, "cpu or memory");
  }
  return Error{Error::Code::Invalid,
               "There is no placement strategy '" + std::string(type) +
                   "'; it is one of random, spread, binpack.",
               "type"};
}

std::string_view strategy_type(const Strategy& strategy) {
  switch (strategy.kind) {
    case Strategy::Kind::Random:
      return "random";
    case Strategy::Kind::SpreadInstance:
    case Strategy::Kind::SpreadAttribute:
      return "spread";
    case Strategy::Kind::BinpackCpu:
    case Strategy::Kind::BinpackMemory:
      return "binpack";
  }
  return {};
}

std::string strategy_field(const Strategy& strategy) {
  switch (strategy.kind) {
    case Strategy::Kind::Random:
      return {};
    case Strategy::Kind::SpreadInstance:
      return "instanceId";
    case Strategy::Kind::SpreadAttribute:
      return std::string(kAttributePrefix) + strategy.attribute;
    case Strategy::Kind::BinpackCpu:
      return "cpu";
    case Strategy::Kind::BinpackMemory:
      return "memory";
  }
  return {};
}

std::vector<Strategy> service_default_strategies() {
  return {Strategy{Strategy::Kind::SpreadAttribute, std::string(kZoneAttribute)},
          Strategy{Strategy::Kind::SpreadInstance}};
}

std::vector<Strategy> run_task_default_strategies() {
  return {Strategy{Strategy::Kind::Random}};
}

std::string Refusal::ecs_reason() const {
  switch (reason) {
    case Reason::Owner:
      return {};
    case Reason::Inactive:
      return "INACTIVE";
    case Reason::Agent:
      return "AGENT";
    case Reason::Location:
      return "LOCATION";
    case Reason::Attribute:
      return "ATTRIBUTE";
    case Reason::Cpu:
      return "RESOURCE:CPU";
    case Reason::Memory:
      return "RESOURCE:MEMORY";
    case Reason::Ports:
      return "RESOURCE:PORTS";
    case Reason::Eni:
      return "RESOURCE:ENI";
    case Reason::Device:
    case Reason::Amount:
      return "RESOURCE:" + subject;
    case Reason::MemberOf:
      return "MemberOf placement constraint unsatisfied.";
    case Reason::DistinctInstance:
      return "DistinctInstance placement constraint unsatisfied.";
  }
  return {};
}

std::string Refusal::detail() const {
  const auto amount = [this](const std::string& unit) {
    return "needs " + std::to_string(needed) + " " + unit + ", " + std::to_string(available) +
           " left";
  };
  switch (reason) {
    case Reason::Owner:
      return "is not a node that this task may use";
    case Reason::Inactive:
      return "is draining";
    case Reason::Agent:
      return "its agent is not connected";
    case Reason::Location:
      return "is in the zone '" + subject + "', which is not among those of the subnets";
    case Reason::Attribute:
      return "lacks the attribute " + subject;
    case Reason::Cpu:
      return amount("cpu units");
    case Reason::Memory:
      return amount("MiB of memory");
    case Reason::Ports:
      return "its port " + subject + " is taken";
    case Reason::Eni:
      return amount("network interfaces");
    case Reason::Device:
      return "has no free " + subject + " of the kind that is needed";
    case Reason::Amount:
      return amount("of " + subject);
    case Reason::MemberOf:
      return "does not satisfy " + subject;
    case Reason::DistinctInstance:
      return "already runs a task of the same set";
  }
  return {};
}

}  // namespace berth::placement
