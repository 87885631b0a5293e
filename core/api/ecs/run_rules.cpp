// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/run_rules.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "core/api/ecs/definition.hpp"

namespace berth::api {
namespace {

constexpr std::size_t kOverrideBytes = 8192;
constexpr std::size_t kExpressionLength = 2000;

tl::unexpected<Error> refuse(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

// Normalises the sizes as a registration does.
Result<void> check_sizes(ecs::TaskOverride& overrides) {
  if (overrides.has_cpu()) {
    const auto cpu = parse_cpu(overrides.cpu());
    if (!cpu || *cpu < 128 || *cpu > 196'608) {
      return fail(Errc::Invalid, "Invalid 'cpu' setting for task.", Subject::Definition,
                  "overrides.cpu");
    }
    overrides.set_cpu(std::to_string(*cpu));
  }
  if (overrides.has_memory()) {
    const auto memory = parse_memory(overrides.memory());
    if (!memory || *memory < 4) {
      return fail(Errc::Invalid, "Invalid 'memory' setting for task.", Subject::Definition,
                  "overrides.memory");
    }
    overrides.set_memory(std::to_string(*memory));
  }
  return {};
}

}  // namespace

Result<void> check_constraints(const Call& call, const Constraints& constraints) {
  for (const auto& constraint : constraints) {
    if (constraint.type() == "distinctInstance") {
      if (constraint.has_expression()) {
        return refuse("The constraint distinctInstance takes no expression.",
                      "placementConstraints");
      }
      continue;
    }
    if (constraint.expression().empty() || constraint.expression().size() > kExpressionLength) {
      return refuse("The constraint memberOf needs an expression of at most 2000 characters.",
                    "placementConstraints");
    }
    const auto& check = call.backend().check_expression;
    if (!check) continue;
    if (auto read = check(constraint.expression()); !read) {
      return refuse("Invalid expression '" + constraint.expression() + "': " + read.error().message,
                    "placementConstraints");
    }
  }
  return {};
}

Result<void> check_strategies(const Strategies& strategies) {
  for (const auto& strategy : strategies) {
    std::string lower = strategy.field();
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool binpack = strategy.type() == "binpack";
    if (binpack && lower != "cpu" && lower != "memory") {
      return refuse("The strategy binpack needs the field cpu or memory.", "placementStrategy");
    }
    const bool known = lower == "instanceid" || lower == "host" ||
                       (lower.starts_with("attribute:") && lower.size() > 10);
    if (strategy.type() == "spread" && !known) {
      return refuse("The strategy spread needs the field instanceId, host or attribute:NAME.",
                    "placementStrategy");
    }
  }
  return {};
}

Result<void> check_overrides(ecs::TaskOverride& overrides) {
  if (json::encode(overrides).size() > kOverrideBytes) {
    return refuse("Overrides can have at most 8192 characters in all.", "overrides");
  }
  std::set<std::string> names;
  for (const auto& container : overrides.container_overrides()) {
    if (!names.insert(container.name()).second) {
      return refuse("The override of container '" + container.name() + "' stands there twice.",
                    "overrides");
    }
    for (const auto& variable : container.environment()) {
      if (variable.name().empty() || variable.name().find('=') != std::string::npos) {
        return refuse("The name '" + variable.name() + "' of an environment variable is invalid.",
                      "overrides");
      }
    }
  }
  return check_sizes(overrides);
}

Result<void> check_started_by(const std::string& started_by) {
  const bool fine = std::ranges::all_of(started_by, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '/';
  });
  if (fine) return {};
  return refuse("startedBy may hold letters, digits, '_', '-' and '/' only.", "startedBy");
}

Result<void> check_propagated(const std::string& propagate_tags) {
  if (propagate_tags != "SERVICE") return {};
  return refuse(
      "Invalid value for propagateTags: a task that no service started has none to take tags from.",
      "propagateTags");
}

}  // namespace berth::api
