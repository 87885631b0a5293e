// SPDX-License-Identifier: Apache-2.0
// TagResource and UntagResource: tags of what exists already.
//
// Threads: loop; the functions any, over a state that they may read.
#pragma once

#include <string>
#include <vector>

#include "core/control/desk.hpp"
#include "core/control/services/rollouts.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

// Whose key begins with "aws:", in any case: ECS's own, which people neither set nor take away.
[[nodiscard]] bool is_reserved(const std::string& tag_key);

// The tags that a resource has. Errors: NotFound, Subject::Cluster, ::Service or ::Request.
[[nodiscard]] Result<std::vector<ecs::Tag>> tags_of(const State& state, const Resource& resource);

// What comes of a change. Errors: Invalid, Subject::Request, for a reserved key; NoCapacity,
// Subject::TagLimit, for more than 50 that are not reserved.
[[nodiscard]] Result<std::vector<ecs::Tag>> merged_tags(const std::vector<ecs::Tag>& before,
                                                        const TagResource& command);

class Tagging {
 public:
  Tagging(Desk& desk, Tasks& tasks, Rollouts& rollouts)
      : desk_(desk), tasks_(tasks), rollouts_(rollouts) {}

  void tag(const TagResource& command, const Reply& reply);

 private:
  void save(const Resource& resource, std::vector<ecs::Tag> tags);

  Desk& desk_;
  Tasks& tasks_;
  Rollouts& rollouts_;
};

}  // namespace berth::control
