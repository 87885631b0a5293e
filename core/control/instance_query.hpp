// SPDX-License-Identifier: Apache-2.0
// The cluster query language over records: filters of ListContainerInstances, and the syntax of
// memberOf expressions.
//
// Threads: any; matching reads the state and so runs on the loop.
#pragma once

#include <memory>
#include <string_view>

#include "core/control/state.hpp"
#include "core/model/error.hpp"

namespace berth::control {

class InstanceQuery {
 public:
  // Errors: Invalid, Subject::Request, with the place of the first wrong character in the message.
  [[nodiscard]] static Result<InstanceQuery> parse(std::string_view expression);

  [[nodiscard]] bool matches(const ContainerInstance& instance, const State& state) const;

 private:
  struct Compiled;
  explicit InstanceQuery(std::shared_ptr<const Compiled> compiled);
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace berth::control
