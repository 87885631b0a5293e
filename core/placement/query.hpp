// SPDX-License-Identifier: Apache-2.0
// The cluster query language: what memberOf constraints and ListContainerInstances' filter are
// written in.
//
//   expression := and { ("||" | "or") and }       and := not { ("&&" | "and") not }
//   not := ("!" | "not") not | "(" expression ")" | subject operator [argument]
//   operator := == != > >= < <= exists !exists in !in =~ !~   (or their names: equals, not_equals,
//   ...)
// README.md lists the subjects, their operators and what each means.
//
// Threads: any; a Query is immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "core/placement/result.hpp"

namespace berth::placement {

// What an expression may ask of one container instance.
class NodeFacts {
 public:
  NodeFacts() = default;
  NodeFacts(const NodeFacts&) = delete;
  NodeFacts& operator=(const NodeFacts&) = delete;
  virtual ~NodeFacts() = default;

  // The value (empty for a name alone), or nothing where the node has no such attribute.
  [[nodiscard]] virtual std::optional<std::string_view> attribute(std::string_view name) const = 0;
  [[nodiscard]] virtual bool agent_connected() const = 0;
  [[nodiscard]] virtual std::string_view agent_version()
      const = 0;  // empty: unknown, matches nothing
  [[nodiscard]] virtual std::string_view ec2_instance_id()
      const = 0;  // empty: none, matches nothing
  [[nodiscard]] virtual std::int64_t registered_at_ms() const = 0;
  [[nodiscard]] virtual std::int64_t running_tasks() const = 0;
  // Whether `test` holds for the group of any task of the node.
  class GroupTest {
   public:
    GroupTest() = default;
    GroupTest(const GroupTest&) = delete;
    GroupTest& operator=(const GroupTest&) = delete;
    virtual ~GroupTest() = default;
    [[nodiscard]] virtual bool operator()(std::string_view group) const = 0;
  };
  [[nodiscard]] virtual bool any_group(const GroupTest& test) const = 0;
};

class Query {
 public:
  // Errors: Invalid with `position`, the byte offset of the first wrong character.
  [[nodiscard]] static Result<Query> parse(std::string_view text);

  [[nodiscard]] bool matches(const NodeFacts& node) const;
  // Whether the answer for a node changes as tasks come and go (task:group, runningTasksCount).
  [[nodiscard]] bool depends_on_tasks() const { return depends_on_tasks_; }
  // Whether it reads what each node has of its own (ec2InstanceId, registeredAt).
  [[nodiscard]] bool depends_on_identity() const { return depends_on_identity_; }

  struct Node;  // of the syntax tree

 private:
  explicit Query(std::shared_ptr<const Node> root) : root_(std::move(root)) {}

  std::shared_ptr<const Node> root_;
  bool depends_on_tasks_ = false;
  bool depends_on_identity_ = false;
};

}  // namespace berth::placement
