// SPDX-License-Identifier: Apache-2.0
#include "core/control/placement_form.hpp"

#include <charconv>

namespace berth::control {
namespace {

using placement::Port;

constexpr std::int64_t kWholeDevice = 1000;  // thousandths

void add_reserved(const v1::ExclusiveSet& set, Port::Protocol protocol, std::vector<Port>& ports) {
  for (const std::string& item : set.reserved()) {
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), number);
    if (error == std::errc() && end == item.data() + item.size())
      ports.push_back({protocol, number});
  }
}

std::string place_of(const v1::Device& device, const char* what) {
  const auto at = device.topology().find(what);
  return at == device.topology().end() ? std::string() : at->second;
}

void add_device(const v1::Device& device, std::vector<placement::Device>& devices) {
  devices.push_back({.id = device.id(),
                     .type = device.type(),
                     .model = device.model(),
                     .memory_mib = device.memory_mib(),
                     .share_milli = device.share_milli(),
                     .parent = device.parent(),
                     .healthy = device.healthy(),
                     .numa = place_of(device, "numa"),
                     .link = place_of(device, "link_group")});
}

void add_resource(const v1::Resource& resource, placement::NodeSpec& spec) {
  const std::string& name = resource.name();
  switch (resource.kind_case()) {
    case v1::Resource::kCounter: {
      const std::int64_t total = resource.counter().total();
      if (name == "CPU") {
        spec.cpu = total;
      } else if (name == "MEMORY") {
        spec.memory_mib = total;
      } else if (name == "ENI") {
        spec.eni_slots = total;
      } else {
        spec.capacities.push_back({.name = name, .total = total});
      }
      return;
    }
    case v1::Resource::kSharedPool:
      spec.capacities.push_back({.name = name,
                                 .total = resource.shared_pool().total(),
                                 .per_task_limit = resource.shared_pool().per_task_limit()});
      return;
    case v1::Resource::kExclusiveSet:
      if (name == "PORTS")
        add_reserved(resource.exclusive_set(), Port::Protocol::Tcp, spec.reserved_ports);
      if (name == "PORTS_UDP") {
        add_reserved(resource.exclusive_set(), Port::Protocol::Udp, spec.reserved_ports);
      }
      return;
    case v1::Resource::kDeviceSet:
      for (const v1::Device& device : resource.device_set().devices()) {
        add_device(device, spec.devices);
      }
      return;
    case v1::Resource::KIND_NOT_SET:
      return;  // of a newer contract
  }
}

}  // namespace

placement::NodeSpec node_spec_of(const v1::Node& node, const std::string& owner) {
  placement::NodeSpec spec;
  spec.id = node.id();
  spec.owner = owner;
  spec.capacity_provider = node.capacity_provider();
  spec.connected = node.connected();
  for (const v1::Resource& resource : node.resources()) add_resource(resource, spec);
  for (const auto& attribute : node.attributes()) {
    spec.attributes.push_back({.name = attribute.name(), .value = attribute.value()});
  }
  spec.ec2_instance_id = node.ec2_instance_id();
  spec.agent_version = node.agent_version();
  spec.registered_at_ms = node.registered_at().ms();
  return spec;
}

placement::Needs needs_of(const v1::Requirement& requirement) {
  placement::Needs needs;
  needs.cpu = requirement.cpu();
  needs.memory_mib = requirement.memory_mib();
  needs.eni_slots = requirement.eni_slots();
  for (const v1::Port& port : requirement.ports()) {
    needs.ports.push_back(
        {port.protocol() == v1::Port::PROTOCOL_UDP ? Port::Protocol::Udp : Port::Protocol::Tcp,
         static_cast<std::uint16_t>(port.number())});
  }
  for (const v1::Amount& amount : requirement.amounts()) {
    needs.amounts.push_back({.name = amount.name(), .value = amount.value()});
  }
  for (const v1::DeviceRequirement& device : requirement.devices()) {
    needs.devices.push_back({.type = device.type(),
                             .count = device.count(),
                             .share_milli = device.share_milli(),
                             .memory_mib = device.memory_mib(),
                             .model = device.model()});
  }
  for (const auto& attribute : requirement.attributes()) {
    needs.attributes.push_back({.name = attribute.name(), .value = attribute.value()});
  }
  return needs;
}

v1::Allocation allocation_of(const v1::Requirement& requirement,
                             const std::vector<placement::DeviceGrant>& grants) {
  v1::Allocation allocation;
  for (const placement::DeviceGrant& grant : grants) {
    v1::DeviceGrant* out = allocation.add_devices();
    out->set_container(requirement.devices(static_cast<int>(grant.need)).container());
    out->set_device_id(grant.device_id);
    out->set_share_milli(grant.whole ? kWholeDevice : grant.share_milli);
    out->set_memory_mib(grant.memory_mib);
  }
  return allocation;
}

std::vector<placement::DeviceGrant> grants_of(const v1::Requirement& requirement,
                                              const v1::Allocation& allocation) {
  std::vector<placement::DeviceGrant> grants;
  int next = 0;
  for (int need = 0; need < requirement.devices_size(); ++need) {
    const v1::DeviceRequirement& wanted = requirement.devices(need);
    const bool whole = wanted.count() > 0;
    for (std::int64_t i = 0; i < (whole ? wanted.count() : 1); ++i) {
      if (next == allocation.devices_size()) return grants;
      const v1::DeviceGrant& grant = allocation.devices(next++);
      grants.push_back({.need = static_cast<std::uint32_t>(need),
                        .device_id = grant.device_id(),
                        .share_milli = whole ? 0 : grant.share_milli(),
                        .memory_mib = grant.memory_mib(),
                        .whole = whole});
    }
  }
  return grants;
}

}  // namespace berth::control
