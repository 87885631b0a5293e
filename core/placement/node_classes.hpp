// SPDX-License-Identifier: Apache-2.0
// NodeClasses: what many nodes have in common and no task changes, kept once.
//
// Two nodes are of one class when their owner, capacity provider, agent version, attributes and
// limits per task are equal. What a request asks of these is answered once for each class.
// Invariant: a class is there while nodes are of it; its number may then be used for another.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/placement/change_log.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

struct NodeClass {
  struct Limit {
    std::string name;
    std::int64_t per_task = 0;
  };
  std::string owner;
  std::string capacity_provider;
  std::string agent_version;
  std::vector<Attribute> attributes;  // by name, each name once
  std::vector<Limit> limits;          // of amounts that have one

  [[nodiscard]] const Attribute* attribute(std::string_view name) const;
  [[nodiscard]] std::int64_t limit_of(std::string_view amount) const;  // 0: none
};

class NodeClasses {
 public:
  struct Joined {
    std::uint32_t number = 0;
    bool is_new = false;
  };
  // One more node of the class of this spec; of several attributes with one name the last counts.
  Joined join(const NodeSpec& spec);
  // One less. True: it was the last one, and the class is gone.
  bool leave(std::uint32_t number);

  [[nodiscard]] const NodeClass& at(std::uint32_t number) const { return entries_[number].what; }
  [[nodiscard]] std::uint32_t nodes_of(std::uint32_t number) const {
    return entries_[number].nodes;
  }
  [[nodiscard]] std::uint32_t end() const { return static_cast<std::uint32_t>(entries_.size()); }
  // Numbers that came to mean another class.
  [[nodiscard]] const ChangeLog& log() const { return log_; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Entry {
    NodeClass what;
    std::uint32_t nodes = 0;
    const std::string* key = nullptr;  // in numbers_
  };
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // looked up, never iterated
  ChangeLog log_;
};

}  // namespace berth::placement
