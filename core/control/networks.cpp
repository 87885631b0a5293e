// SPDX-License-Identifier: Apache-2.0
#include "core/control/networks.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace berth::control {
namespace {

constexpr const char* kMode = "awsvpc";
constexpr int kEniDigits = 17;

tl::unexpected<Error> refused(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

// Made of the address: one that comes again does not meet stale entries of neighbours.
std::string mac_of(std::uint32_t address) {
  char text[18];
  std::snprintf(text, sizeof text, "02:be:%02x:%02x:%02x:%02x", address >> 24,
                (address >> 16) & 0xff, (address >> 8) & 0xff, address & 0xff);
  return text;
}

// As EC2 names instances.
std::string dns_name_of(std::string address, const std::string& region) {
  std::replace(address.begin(), address.end(), '.', '-');
  return "ip-" + address + (region == "us-east-1" ? ".ec2" : "." + region + ".compute") +
         ".internal";
}

}  // namespace

Networks::Networks(Desk& desk) : desk_(desk) {
  for (const SubnetConfig& subnet : desk.config().networks.subnets) {
    subnets_.emplace(subnet.id, Subnet{subnet, Addresses(subnet.range)});
  }
}

void Networks::restore() {
  // A subnet's range may have been changed: what lies in one of today's is held, whatever its
  // subnet was called.
  std::vector<std::pair<Instant, std::uint32_t>> ended;
  const auto owner = [this](std::uint32_t address) -> Addresses* {
    for (auto& [id, subnet] : subnets_) {
      if (subnet.config.range.contains(address)) return &subnet.addresses;
    }
    return nullptr;
  };
  for (const auto& [id, task] : desk_.state().tasks()) {
    if (!task->launch->task_interface) continue;
    const auto address = parse_address(task->launch->task_interface->address());
    if (!address) continue;
    if (task->last_status == TaskStatus::Stopped) {
      ended.emplace_back(task->stopped_at.value_or(Instant{}), *address);
    } else if (Addresses* addresses = owner(*address)) {
      addresses->take(*address);
    }
  }
  std::sort(ended.begin(), ended.end());
  for (const auto& [at, address] : ended) {
    if (Addresses* addresses = owner(address)) addresses->rest(address);
  }
}

const v1::SecurityGroup* Networks::group(const std::string& id) const {
  const auto& groups = desk_.config().networks.groups;
  const auto at = std::find_if(groups.begin(), groups.end(),
                               [&](const v1::SecurityGroup& one) { return one.id() == id; });
  return at == groups.end() ? nullptr : &*at;
}

Result<std::vector<std::string>> Networks::check(const TaskDefinition& definition,
                                                 const model::RunTaskRequest& request) const {
  std::vector<std::string> zones;
  const bool given = request.has_network_configuration();
  if (definition.message.network_mode() != kMode) {
    if (!given) return zones;
    return refused(
        "Network Configuration is not valid for the given networkMode of this task definition.",
        "networkConfiguration");
  }
  if (!given || !request.network_configuration().has_awsvpc_configuration()) {
    return refused("Network Configuration must be provided when networkMode 'awsvpc' is specified.",
                   "networkConfiguration");
  }
  const auto& asked = request.network_configuration().awsvpc_configuration();
  if (asked.subnets().empty()) {
    return refused("subnets can not be empty.", "networkConfiguration.awsvpcConfiguration.subnets");
  }
  for (const std::string& id : asked.subnets()) {
    const auto subnet = subnets_.find(id);
    if (subnet == subnets_.end()) {
      return refused("Error retrieving subnet information for [" + id + "]: The subnet ID '" + id +
                         "' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
                     "networkConfiguration.awsvpcConfiguration.subnets");
    }
    const std::string& zone = subnet->second.config.zone;
    if (std::find(zones.begin(), zones.end(), zone) == zones.end()) zones.push_back(zone);
  }
  for (const std::string& id : asked.security_groups()) {
    if (group(id) != nullptr) continue;
    return refused("Error retrieving security group information for [" + id +
                       "]: The security group '" + id +
                       "' does not exist (ErrorCode: InvalidGroup.NotFound)",
                   "networkConfiguration.awsvpcConfiguration.securityGroups");
  }
  std::sort(zones.begin(), zones.end());
  return zones;
}

Result<v1::TaskInterface> Networks::take(const ecs::NetworkConfiguration& configuration,
                                         const std::string& zone) {
  const auto& asked = configuration.awsvpc_configuration();
  std::string full;
  for (const std::string& id : asked.subnets()) {
    const auto at = subnets_.find(id);
    if (at == subnets_.end() || at->second.config.zone != zone) continue;
    if (const auto address = at->second.addresses.take()) return make(at->second, *address, asked);
    full += (full.empty() ? "" : ", ") + id;
  }
  return fail(Errc::NoCapacity,
              "No address is left in the subnets of the zone " + zone + ": " + full + ".");
}

v1::TaskInterface Networks::make(const Subnet& subnet, std::uint32_t address,
                                 const ecs::AwsVpcConfiguration& asked) {
  v1::TaskInterface made;
  made.set_attachment_id(desk_.rng().uuid());
  made.set_interface_id("eni-" + desk_.rng().hex_id().substr(0, kEniDigits));
  made.set_subnet_id(subnet.config.id);
  made.set_subnet_cidr(subnet.config.range.str());
  made.set_address(address_text(address));
  made.set_prefix_length(subnet.config.range.prefix);
  made.set_gateway(address_text(subnet.addresses.gateway()));
  made.set_mac_address(mac_of(address));
  made.set_private_dns_name(dns_name_of(made.address(), desk_.config().realm.region));
  std::vector<std::string> groups(asked.security_groups().begin(), asked.security_groups().end());
  if (groups.empty()) groups.emplace_back(kDefaultGroup);
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  for (const std::string& id : groups) {
    if (const v1::SecurityGroup* known = group(id)) *made.add_groups() = *known;
  }
  for (const auto& [id, each] : subnets_) made.add_network_cidrs(each.config.range.str());
  return made;
}

void Networks::give_back(const v1::TaskInterface& of) {
  const auto address = parse_address(of.address());
  if (!address) return;
  for (auto& [id, subnet] : subnets_) {
    if (subnet.config.range.contains(*address)) subnet.addresses.give_back(*address);
  }
}

}  // namespace berth::control
