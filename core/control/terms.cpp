// SPDX-License-Identifier: Apache-2.0
#include "core/control/terms.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace berth::control {
namespace {

using placement::NodeIndex;
using placement::Strategy;

// Nothing: the node lacks the attribute, which is a value of its own.
using Value = std::optional<std::string>;

Value attribute_of(const placement::Engine& engine, NodeIndex node, const std::string& name) {
  const placement::NodeSpec& spec = engine.node(node);
  for (const placement::Attribute& attribute : spec.attributes) {
    if (attribute.name == name) return attribute.value;
  }
  return std::nullopt;
}

class Scale {
 public:
  Scale(const placement::Engine& engine, std::string group, const PlaceInQuestion& place)
      : engine_(engine), group_(std::move(group)), place_(place) {}

  [[nodiscard]] std::vector<std::int64_t> measure(const Strategy& strategy,
                                                  const std::vector<NodeIndex>& nodes) const {
    std::map<Value, std::int64_t> by_value;
    if (strategy.kind == Strategy::Kind::SpreadAttribute) by_value = counts(strategy.attribute);
    std::vector<std::int64_t> out;
    out.reserve(nodes.size());
    for (const NodeIndex node : nodes) {
      switch (strategy.kind) {
        case Strategy::Kind::SpreadAttribute:
          out.push_back(by_value[attribute_of(engine_, node, strategy.attribute)]);
          break;
        case Strategy::Kind::SpreadInstance:
          out.push_back(count(node));
          break;
        case Strategy::Kind::BinpackCpu:
          out.push_back(left(node).cpu + (node == place_.node ? place_.held_cpu : 0));
          break;
        case Strategy::Kind::BinpackMemory:
          out.push_back(left(node).memory_mib + (node == place_.node ? place_.held_memory_mib : 0));
          break;
        default:
          out.push_back(0);
          break;
      }
    }
    return out;
  }

 private:
  [[nodiscard]] std::int64_t count(NodeIndex node) const {
    const std::int64_t tasks = engine_.group_count(node, group_);
    return node == place_.node && place_.counted ? tasks - 1 : tasks;
  }
  [[nodiscard]] placement::Remaining left(NodeIndex node) const {
    return engine_.remaining(node).value_or(placement::Remaining{});
  }
  // Tasks of all nodes count, also of those that do not fit.
  [[nodiscard]] std::map<Value, std::int64_t> counts(const std::string& attribute) const {
    std::map<Value, std::int64_t> out;
    for (const NodeIndex node : engine_.nodes()) {
      out[attribute_of(engine_, node, attribute)] += count(node);
    }
    return out;
  }

  const placement::Engine& engine_;
  std::string group_;
  PlaceInQuestion place_;
};

bool measures(const Strategy& strategy) {
  return strategy.kind == Strategy::Kind::SpreadAttribute ||
         strategy.kind == Strategy::Kind::SpreadInstance ||
         strategy.kind == Strategy::Kind::BinpackCpu ||
         strategy.kind == Strategy::Kind::BinpackMemory;
}

}  // namespace

std::vector<StrategyTerm> weigh(const placement::Engine& engine, const std::string& group,
                                const std::vector<Strategy>& strategies,
                                const std::vector<NodeIndex>& fitting,
                                const PlaceInQuestion& place) {
  const Scale scale(engine, group, place);
  std::vector<NodeIndex> left{place.node};
  for (const NodeIndex node : fitting) {
    if (node != place.node) left.push_back(node);
  }
  std::vector<StrategyTerm> terms;
  for (const Strategy& strategy : strategies) {
    StrategyTerm& term = terms.emplace_back();
    term.strategy.set_type(std::string(placement::strategy_type(strategy)));
    if (auto field = placement::strategy_field(strategy); !field.empty()) {
      term.strategy.set_field(std::move(field));
    }
    term.measured = measures(strategy);
    if (!term.measured) continue;
    if (strategy.kind == Strategy::Kind::SpreadAttribute) {
      term.attribute_value = attribute_of(engine, place.node, strategy.attribute).value_or("");
    }
    const std::vector<std::int64_t> values = scale.measure(strategy, left);
    term.value = values.front();
    term.best = *std::min_element(values.begin(), values.end());
    if (term.value != term.best) break;
    std::vector<NodeIndex> kept;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (values[i] == term.best) kept.push_back(left[i]);
    }
    left = std::move(kept);
  }
  return terms;
}

}  // namespace berth::control
