// SPDX-License-Identifier: Apache-2.0
// The question that the options of `berth plan` put, and its answer for people.
#pragma once

#include <boost/json.hpp>
#include <iosfwd>

#include "core/cli/commands.hpp"

namespace berth::cli {

// Input of PlanTask, without a cluster. Errors: Invalid, for a malformed option; it is named.
[[nodiscard]] Result<boost::json::object> plan_input(const PlanOptions& options);

// Where the tasks go; why the rest does not; what to do then.
void print_plan(std::ostream& out, const boost::json::object& plan);

// The command that asks for the places of an ExplainTask's `unplaced` anew, as it is to be typed.
[[nodiscard]] std::string plan_command(const boost::json::object& unplaced,
                                       const std::string& cluster);

// The rows REASON, INSTANCES, CLOSEST, DETAIL; nothing where nobody refuses.
void print_refusals(std::ostream& out, const boost::json::array& refusals);

}  // namespace berth::cli
