// SPDX-License-Identifier: Apache-2.0
// The syntax tree of a Query, shared by its parser and its evaluation.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/placement/pattern.hpp"
#include "core/placement/query.hpp"

namespace berth::placement {

enum class Subject {
  Attribute,
  AgentConnected,
  AgentVersion,
  Ec2InstanceId,
  RegisteredAt,
  RunningTasksCount,
  TaskGroup,
};

enum class Operator {
  Equals,
  NotEquals,
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
  Exists,
  NotExists,
  In,
  NotIn,
  Matches,
  NotMatches,
};

// Numbers between dots.
using Version = std::vector<std::uint64_t>;
[[nodiscard]] std::strong_ordering compare_versions(const Version& left, const Version& right);
// Digits with dots between, a leading 'v' allowed; anything else is no version.
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);

// "subject operator argument", its argument already of the subject's type.
struct Test {
  Subject subject = Subject::Attribute;
  Operator op = Operator::Exists;
  std::string attribute{};            // name, of Subject::Attribute
  std::vector<std::string> values{};  // one, or those of the list
  std::optional<Pattern> pattern{};   // of =~ and !~
  Version version{};                  // of agentVersion
  std::int64_t number = 0;            // of runningTasksCount; milliseconds of registeredAt
};

struct Query::Node {
  enum class Kind { Test, Not, And, Or };
  Kind kind = Kind::Test;
  Test test{};
  std::vector<Node> parts{};
};

}  // namespace berth::placement
