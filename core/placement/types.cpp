// SPDX-License-Identifier: Apache-2.0
#include "core/placement/types.hpp"

#include <string>

namespace berth::placement {

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
