// SPDX-License-Identifier: Apache-2.0
// What rules about calls begin with: an instance that is up, and requests for it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>

#include "berth/v1/launch.pb.h"
#include "sdk/check/host.hpp"
#include "sdk/check/rules.hpp"
#include "sdk/check/subject.hpp"

namespace berth::check {

// The methods that a manifest declares, of all its interfaces.
[[nodiscard]] std::set<std::uint32_t> declared(const v1::Manifest& manifest);

// An instance that is created, described and active, or why there is none.
struct Active {
  explicit Active(const Subject& subject);
  [[nodiscard]] bool ok() const { return problem.verdict == Verdict::Passed; }

  // Ends the instance and counts. Passed where all is well.
  [[nodiscard]] Outcome end();

  Host host;
  std::unique_ptr<Instance> instance;
  v1::Manifest manifest;
  std::set<std::uint32_t> methods;
  Outcome problem;
};

// A task that any launch type may run.
[[nodiscard]] v1::PlanRequest plain_task();

}  // namespace berth::check
