// SPDX-License-Identifier: Apache-2.0
// Evaluation; the parser is query_parser.cpp.
#include "core/placement/query.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "core/placement/query_tree.hpp"

namespace berth::placement {
namespace {

// Positive operators ask whether a value is one of these; negative ones are their negation where
// there is a value.
bool is_any(const Test& test, std::string_view value) {
  if (test.pattern) return test.pattern->matches(value);
  return std::any_of(test.values.begin(), test.values.end(),
                     [&](const std::string& one) { return one == value; });
}

bool ordered(Operator op, std::strong_ordering order) {
  switch (op) {
    case Operator::Equals:
      return order == 0;
    case Operator::NotEquals:
      return order != 0;
    case Operator::Greater:
      return order > 0;
    case Operator::GreaterEqual:
      return order >= 0;
    case Operator::Less:
      return order < 0;
    case Operator::LessEqual:
      return order <= 0;
    default:
      return false;
  }
}

std::optional<double> parse_number(std::string_view text) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.front() < '0' || digits.front() > '9')
    return std::nullopt;  // not inf, nan
  double out = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), out, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// Two numbers compare as numbers, dotted ones (two dots or more) part by part; anything else has no
// order.
bool attribute_ordered(const Test& test, std::string_view value) {
  const std::string_view wanted = test.values.front();
  const auto a = parse_number(value);
  const auto b = parse_number(wanted);
  if (a && b) {
    return ordered(test.op, *a < *b   ? std::strong_ordering::less
                            : *b < *a ? std::strong_ordering::greater
                                      : std::strong_ordering::equal);
  }
  const auto left = parse_version(value);
  const auto right = parse_version(wanted);
  return left && right && ordered(test.op, compare_versions(*left, *right));
}

bool holds(const Test& test, std::string_view value) {
  switch (test.op) {
    case Operator::Equals:
    case Operator::In:
    case Operator::Matches:
      return is_any(test, value);
    case Operator::NotEquals:
    case Operator::NotIn:
    case Operator::NotMatches:
      return !is_any(test, value);
    case Operator::Exists:
      return true;
    case Operator::NotExists:
      return false;
    case Operator::Greater:
    case Operator::GreaterEqual:
    case Operator::Less:
    case Operator::LessEqual:
      return attribute_ordered(test, value);
  }
  return false;
}

bool agent_version_holds(const Test& test, std::string_view version) {
  const auto left = parse_version(version);
  return left && ordered(test.op, compare_versions(*left, test.version));
}

// "== g": some task of the node is of the group; negative operators: none is.
class GroupIs final : public NodeFacts::GroupTest {
 public:
  explicit GroupIs(const Test& test) : test_(test) {}
  bool operator()(std::string_view group) const override { return is_any(test_, group); }

 private:
  const Test& test_;
};

bool group_holds(const Test& test, const NodeFacts& node) {
  const bool any = node.any_group(GroupIs(test));
  const bool negative = test.op == Operator::NotEquals || test.op == Operator::NotIn ||
                        test.op == Operator::NotMatches;
  return any != negative;
}

bool test_holds(const Test& test, const NodeFacts& node) {
  switch (test.subject) {
    case Subject::Attribute: {
      const auto value = node.attribute(test.attribute);
      if (!value) return test.op == Operator::NotExists;
      return holds(test, *value);
    }
    case Subject::AgentConnected:
      return holds(test, node.agent_connected() ? "true" : "false");
    case Subject::AgentVersion:
      return agent_version_holds(test, node.agent_version());
    case Subject::Ec2InstanceId:
      return !node.ec2_instance_id().empty() && holds(test, node.ec2_instance_id());
    case Subject::RegisteredAt:
      return ordered(test.op, node.registered_at_ms() <=> test.number);
    case Subject::RunningTasksCount:
      return ordered(test.op, node.running_tasks() <=> test.number);
    case Subject::TaskGroup:
      return group_holds(test, node);
  }
  return false;
}

bool evaluate(const Query::Node& tree, const NodeFacts& node) {
  const auto part_holds = [&](const Query::Node& part) { return evaluate(part, node); };
  switch (tree.kind) {
    case Query::Node::Kind::Test:
      return test_holds(tree.test, node);
    case Query::Node::Kind::Not:
      return !evaluate(tree.parts.front(), node);
    case Query::Node::Kind::And:
      return std::all_of(tree.parts.begin(), tree.parts.end(), part_holds);
    case Query::Node::Kind::Or:
      return std::any_of(tree.parts.begin(), tree.parts.end(), part_holds);
  }
  return false;
}

}  // namespace

std::strong_ordering compare_versions(const Version& left, const Version& right) {
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::uint64_t a = i < left.size() ? left[i] : 0;
    const std::uint64_t b = i < right.size() ? right[i] : 0;
    if (a != b) return a <=> b;
  }
  return std::strong_ordering::equal;
}

bool Query::matches(const NodeFacts& node) const {
  return evaluate(*root_, node);
}

}  // namespace berth::placement
