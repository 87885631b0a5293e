// SPDX-License-Identifier: Apache-2.0
#include "core/control/demand.hpp"

#include <string_view>

#include "core/control/canonical.hpp"
#include "core/control/placement_form.hpp"

namespace berth::control {
namespace {

// Each piece with its length before it: no two lists of pieces make the same text.
void append(std::string& key, std::string_view piece) {
  key += std::to_string(piece.size());
  key += ':';
  key += piece;
}

Result<placement::Constraint> constraint_of(const model::PlacementConstraint& constraint) {
  using Kind = placement::Constraint::Kind;
  if (constraint.type() == "distinctInstance") {
    if (!constraint.expression().empty()) {
      return fail(Errc::Invalid, "The distinctInstance placement constraint takes no expression.",
                  Subject::Request, "placementConstraints.expression");
    }
    return placement::Constraint{.kind = Kind::DistinctInstance};
  }
  if (constraint.type() == "memberOf") {
    return placement::Constraint{.kind = Kind::MemberOf, .expression = constraint.expression()};
  }
  return fail(Errc::Invalid,
              "Placement constraint type should be one of [distinctInstance,memberOf].",
              Subject::Request, "placementConstraints.type");
}

}  // namespace

Result<placement::Request> request_of(const Demand& demand, const StrategyRules& rules) {
  placement::Request request;
  request.group = demand.group;
  request.service = demand.service;
  request.capacity_provider = demand.capacity_provider;
  request.zones = demand.zones;
  for (const auto& [plugin, requirement] : demand.needs) {
    request.needs.push_back({.owner = plugin.str(), .needs = needs_of(requirement)});
  }
  for (const auto& constraint : demand.constraints) {
    auto one = constraint_of(constraint);
    if (!one) return tl::unexpected(one.error());
    request.constraints.push_back(*std::move(one));
  }
  if (demand.pooled) {
    request.strategies = pool_strategies();
    return request;
  }
  if (auto added = add_strategies(rules, demand.strategies, request); !added) {
    return tl::unexpected(added.error());
  }
  return request;
}

std::string key_of(const Demand& demand) {
  std::string key;
  append(key, demand.cluster.str());
  append(key, demand.group);
  append(key, demand.service);
  append(key, demand.capacity_provider);
  append(key, demand.pooled ? "pool" : "");
  append(key, std::to_string(demand.zones.size()));
  for (const std::string& zone : demand.zones) append(key, zone);
  append(key, std::to_string(demand.needs.size()));
  for (const auto& [plugin, requirement] : demand.needs) {
    append(key, plugin.str());
    append(key, canonical_bytes(requirement));
  }
  append(key, std::to_string(demand.constraints.size()));
  for (const auto& constraint : demand.constraints) append(key, canonical_bytes(constraint));
  for (const auto& strategy : demand.strategies) append(key, canonical_bytes(strategy));
  return key;
}

Error refused_request(const placement::Error& error) {
  return {Errc::Invalid, error.message, Subject::Request, error.what};
}

}  // namespace berth::control
