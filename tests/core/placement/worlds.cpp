// SPDX-License-Identifier: Apache-2.0
#include "tests/core/placement/worlds.hpp"

#include <array>

namespace berth::placement::testing {
namespace {

constexpr std::array kOwners = {"ec2", "gpu", "pool"};
constexpr std::array kZones = {"a", "b", "c"};
constexpr std::array kGroups = {"family:web", "family:db", "service:api"};
constexpr std::array kExpressions = {
    "attribute:stack == prod",
    "attribute:stack != prod and attribute:ecs.availability-zone in [a, c]",
    "not(task:group == family:db)",
    "task:group == family:web or runningTasksCount < 2",
    "attribute:rack =~ r[0-2] || attribute:rack !exists",
    "agentVersion >= 1.2.0",
    "registeredAt > 1970-01-01T00:00:01Z",
    "agentConnected == true and ec2InstanceId =~ 'i-[0-4]'",
};

std::string pick(Draw& draw, const auto& from) {
  return from[static_cast<std::size_t>(draw.below(static_cast<std::int64_t>(from.size())))];
}

Port draw_port(Draw& draw) {
  return Port{draw.one_in(3) ? Port::Protocol::Udp : Port::Protocol::Tcp,
              static_cast<std::uint16_t>(80 + draw.below(4))};
}

void draw_devices(Draw& draw, NodeSpec& spec) {
  const std::int64_t count = draw.below(5);
  for (std::int64_t i = 0; i < count; ++i) {
    Device device{.id = "gpu-" + std::to_string(i), .type = draw.one_in(6) ? "FPGA" : "GPU"};
    device.model = draw.one_in(2) ? "a" : "b";
    device.memory_mib = draw.one_in(3) ? 0 : 100 * (1 + draw.below(2));
    device.share_milli = draw.one_in(4) ? 0 : 1000;
    if (draw.one_in(12)) device.share_milli = draw.one_in(2) ? 500 : 2000;
    device.healthy = !draw.one_in(6);
    if (i > 0 && draw.one_in(5)) device.parent = "gpu-" + std::to_string(draw.below(i));
    spec.devices.push_back(device);
  }
}

DeviceNeed draw_device_need(Draw& draw) {
  DeviceNeed need{.type = draw.one_in(6) ? "FPGA" : "GPU"};
  if (draw.one_in(2)) {
    need.count = 1 + draw.below(3);
  } else {
    need.share_milli = 200 * draw.below(5);
    need.memory_mib = need.share_milli == 0 || draw.one_in(2) ? 50 : 0;
  }
  if (draw.one_in(3)) need.model = draw.one_in(2) ? "a" : "b";
  return need;
}

void draw_affinity(Draw& draw, Request& request) {
  const std::int64_t terms = 1 + draw.below(3);
  for (std::int64_t i = 0; i < terms; ++i) {
    const auto weight = static_cast<std::int32_t>(1 + draw.below(3));
    request.affinity.push_back({pick(draw, kExpressions), draw.one_in(3) ? -weight : weight});
  }
}

}  // namespace

std::uint64_t Draw::next() {
  std::uint64_t x = state_ += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

NodeSpec draw_node(Draw& draw, std::string id) {
  NodeSpec spec;
  spec.id = std::move(id);
  spec.owner = draw.one_in(4) ? pick(draw, kOwners) : "ec2";
  if (draw.one_in(4)) spec.capacity_provider = "spot";
  if (draw.one_in(8)) spec.state = NodeSpec::State::Draining;
  spec.connected = !draw.one_in(8);
  spec.cpu = 4 * (1 + draw.below(draw.many_amounts ? 24 : 4));
  spec.memory_mib = 8 * (1 + draw.below(4));
  spec.eni_slots = draw.below(4);
  if (draw.one_in(4)) spec.reserved_ports.push_back(draw_port(draw));
  if (draw.one_in(2)) spec.capacities.push_back({"licence", draw.below(5), draw.below(3)});
  if (draw.one_in(2)) draw_devices(draw, spec);
  if (!draw.one_in(8)) spec.attributes.push_back({std::string(kZoneAttribute), pick(draw, kZones)});
  if (draw.one_in(2)) spec.attributes.push_back({"stack", draw.one_in(2) ? "prod" : "test"});
  if (draw.one_in(2)) spec.attributes.push_back({"rack", "r" + std::to_string(draw.below(5))});
  if (draw.one_in(2)) spec.attributes.push_back({"ssd"});
  if (draw.one_in(8)) spec.attributes.push_back({"stack", "twice"});
  spec.ec2_instance_id = draw.one_in(4) ? "" : "i-" + std::to_string(draw.below(8));
  spec.agent_version = draw.one_in(4) ? "" : "1." + std::to_string(draw.below(4)) + ".0";
  spec.registered_at_ms = draw.below(2000);
  return spec;
}

Needs draw_needs(Draw& draw) {
  Needs needs;
  needs.cpu = draw.below(draw.many_amounts ? 40 : 5);
  needs.memory_mib = draw.below(9);
  needs.eni_slots = draw.one_in(4) ? 1 : 0;
  if (draw.one_in(5)) needs.ports.push_back(draw_port(draw));
  if (draw.one_in(6)) needs.amounts.push_back({"licence", draw.below(4)});
  const std::int64_t devices = draw.one_in(3) ? 1 + draw.below(2) : 0;
  for (std::int64_t i = 0; i < devices; ++i) needs.devices.push_back(draw_device_need(draw));
  if (draw.one_in(5)) needs.attributes.push_back({"stack", draw.one_in(2) ? "prod" : ""});
  if (draw.one_in(8)) needs.attributes.push_back({"ssd"});
  return needs;
}

Request draw_request(Draw& draw) {
  Request request;
  request.group = pick(draw, kGroups);
  if (draw.one_in(3)) request.service = draw.one_in(2) ? "api" : "web";
  request.needs.push_back({"ec2", draw_needs(draw)});
  if (draw.one_in(3)) request.needs.push_back({"gpu", draw_needs(draw)});
  if (draw.one_in(6)) request.capacity_provider = "spot";
  if (draw.one_in(6)) request.zones = {"a", "b"};
  if (draw.one_in(4)) request.constraints.push_back({Constraint::Kind::DistinctInstance});
  const std::int64_t expressions = draw.one_in(2) ? draw.below(3) : 0;
  for (std::int64_t i = 0; i < expressions; ++i) {
    request.constraints.push_back({Constraint::Kind::MemberOf, pick(draw, kExpressions)});
  }
  const std::int64_t strategies = draw.below(4);
  for (std::int64_t i = 0; i < strategies; ++i) {
    Strategy strategy{static_cast<Strategy::Kind>(draw.below(12))};
    if (strategy.has_levels() && draw.one_in(2))
      strategy.levels = draw.one_in(2) ? 16 : 2 + static_cast<std::int32_t>(draw.below(300));
    if (strategy.is_measured() && draw.one_in(2))
      strategy.measured = static_cast<std::uint8_t>(1 + draw.below(Strategy::kAll));
    if (strategy.kind == Strategy::Kind::Affinity && request.affinity.empty())
      draw_affinity(draw, request);
    if (strategy.kind == Strategy::Kind::SpreadAttribute) {
      strategy.attribute = draw.one_in(2) ? std::string(kZoneAttribute) : "rack";
    }
    request.strategies.push_back(strategy);
  }
  return request;
}

std::vector<ExpectedTask> draw_target(Draw& draw) {
  std::vector<ExpectedTask> out;
  const std::int64_t count = 1 + draw.below(5);
  for (std::int64_t i = 0; i < count; ++i) {
    ExpectedTask task{.cpu = draw.below(6), .weight = 1 + draw.below(5)};
    task.devices = static_cast<std::int32_t>(draw.below(4));
    if (task.devices > 0) {
      const bool part = task.devices == 1 && !draw.one_in(3);
      task.share_milli = part ? 100 * (1 + static_cast<std::int32_t>(draw.below(9))) : 1000;
      if (draw.one_in(3)) task.models.push_back(draw.one_in(2) ? "a" : "c");
      if (draw.one_in(6)) task.models.push_back("b");
    }
    out.push_back(task);
  }
  return out;
}

}  // namespace berth::placement::testing
