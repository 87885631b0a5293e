// SPDX-License-Identifier: Apache-2.0
#include "core/control/strategies.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "core/control/demand.hpp"

namespace berth::control {
namespace {

using placement::Strategy;

constexpr std::int32_t kMaxWeight = 1000;

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

tl::unexpected<Error> refuse(const std::string& message, const std::string& member) {
  return fail(Errc::Invalid, message, Subject::Request, "placementStrategy." + member);
}

bool is_affinity(const model::PlacementStrategy& strategy) {
  return same_letters(strategy.type(), "affinity");
}

bool is_allowed(const StrategyRules& rules, const std::string& type) {
  return std::ranges::any_of(rules.allowed,
                             [&](const std::string& one) { return same_letters(one, type); });
}

Result<placement::AffinityTerm> term_of(const std::string& field) {
  placement::AffinityTerm term{.expression = field, .weight = 1};
  const std::size_t colon = field.find(':');
  const std::string_view head = std::string_view(field).substr(0, colon);
  const bool weighted = colon != std::string::npos && !head.empty() &&
                        head.find_first_not_of("+-0123456789") == std::string_view::npos;
  if (weighted) {
    const auto read = std::from_chars(head.data(), head.data() + head.size(), term.weight);
    const bool whole = read.ec == std::errc{} && read.ptr == head.data() + head.size();
    if (!whole || term.weight == 0 || std::abs(term.weight) > kMaxWeight) {
      return refuse("The weight of an affinity is a whole number from -1000 to 1000, and not 0.",
                    "field");
    }
    term.expression = field.substr(colon + 1);
  }
  if (term.expression.empty()) {
    return refuse("The strategy affinity needs the field EXPRESSION or WEIGHT:EXPRESSION.",
                  "field");
  }
  return term;
}

std::vector<model::PlacementStrategy> in_words(const std::vector<Strategy>& strategies) {
  std::vector<model::PlacementStrategy> out;
  for (const Strategy& strategy : strategies) {
    model::PlacementStrategy& one = out.emplace_back();
    one.set_type(std::string(placement::strategy_type(strategy)));
    const std::string field = placement::strategy_field(strategy);
    if (!field.empty()) one.set_field(field);
  }
  return out;
}

Error beyond(const StrategyRules& rules, const std::string& type, Error error) {
  std::string names;
  for (const std::string& one : rules.allowed) names += ", " + one;
  error.message = "There is no placement strategy '" + type +
                  "' here; it is one of random, spread, binpack" + names + ".";
  const auto known = placement::parse_extended_strategy(type, "");
  if (known || known.error().what != "type") {
    error.message += " Berth has it: [placement] strategies in berth.toml allows it.";
  }
  return error;
}

}  // namespace

Result<void> add_strategies(const StrategyRules& rules,
                            const std::vector<model::PlacementStrategy>& asked,
                            placement::Request& request) {
  const bool own = !asked.empty();
  for (const auto& strategy : own ? asked : rules.defaults) {
    const bool is_default = !own;
    auto parsed = is_default || is_allowed(rules, strategy.type())
                      ? placement::parse_extended_strategy(
                            strategy.type(), is_affinity(strategy) ? "" : strategy.field())
                      : placement::parse_strategy(strategy.type(), strategy.field());
    if (!parsed) {
      Error error{Errc::Invalid, parsed.error().message, Subject::Request,
                  "placementStrategy." + parsed.error().what};
      if (parsed.error().what == "type") error = beyond(rules, strategy.type(), std::move(error));
      return tl::unexpected(std::move(error));
    }
    if (parsed->kind == Strategy::Kind::Fragmentation && rules.expected_tasks.empty()) {
      return refuse("The strategy fragmentation needs the tasks that are expected.", "type");
    }
    if (parsed->kind == Strategy::Kind::Affinity) {
      auto term = term_of(strategy.field());
      if (!term) return tl::unexpected(term.error());
      request.affinity.push_back(*std::move(term));
      if (request.affinity.size() > 1) continue;
    }
    request.strategies.push_back(*parsed);
  }
  return {};
}

std::vector<Strategy> pool_strategies() {
  return {{.kind = Strategy::Kind::SpreadAttribute,
           .attribute = std::string(placement::kZoneAttribute)},
          {.kind = Strategy::Kind::BestFit, .measured = Strategy::kCpu | Strategy::kMemory}};
}

std::vector<model::PlacementStrategy> strategies_in_force(const StrategyRules& rules,
                                                          const Demand& demand) {
  if (demand.pooled) return in_words(pool_strategies());
  if (!demand.strategies.empty()) return demand.strategies;
  if (!rules.defaults.empty()) return rules.defaults;
  return in_words(demand.service.empty() ? placement::run_task_default_strategies()
                                         : placement::service_default_strategies());
}

}  // namespace berth::control
