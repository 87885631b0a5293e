// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/plan_input.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {

int plan_tasks(const Context& context, const PlanOptions& options) {
  auto input = plan_input(options);
  if (!input) {
    complain(input.error());
    return kWrongUsage;
  }
  if (!context.cluster.empty()) (*input)["cluster"] = context.cluster;
  ApiClient api(context.api);
  const auto plan = api.call("Berth.PlanTask", *input);
  if (!plan) return complain(plan.error());
  if (context.json) {
    std::cout << boost::json::serialize(*plan) << '\n';
  } else {
    print_plan(std::cout, *plan);
  }
  return number_of(*plan, "unplacedCount") == 0 ? 0 : 1;
}

}  // namespace berth::cli
