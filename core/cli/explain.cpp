// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/plan_input.hpp"
#include "core/cli/table.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {
namespace {

std::string whole(const boost::json::object& object, std::string_view key) {
  return std::to_string(static_cast<long>(number_of(object, key)));
}

std::string strategy_text(const boost::json::object& strategy) {
  const std::string field = text_of(strategy, "field");
  return field.empty() ? text_of(strategy, "type") : text_of(strategy, "type") + ":" + field;
}

void print_constraints(const boost::json::array& constraints) {
  for (const auto& item : constraints) {
    if (!item.is_object()) continue;
    const std::string expression = text_of(item.as_object(), "expression");
    std::cout << "constraint: " << text_of(item.as_object(), "type")
              << (expression.empty() ? "" : " ") << expression << '\n';
  }
}

void print_terms(const boost::json::array& terms) {
  if (terms.empty()) return;
  Table table({"STRATEGY", "VALUE HERE", "BEST", "CHOSEN AGAIN"});
  for (const auto& item : terms) {
    if (!item.is_object()) continue;
    const auto& term = item.as_object();
    if (!term.contains("value")) {
      table.row({strategy_text(term), "-", "-", "by chance"});
      continue;
    }
    const std::string attribute = text_of(term, "attributeValue");
    const auto* again = term.if_contains("chosenAgain");
    const bool yes = again != nullptr && again->is_bool() && again->as_bool();
    table.row({strategy_text(term),
               whole(term, "value") + (attribute.empty() ? "" : " (" + attribute + ")"),
               whole(term, "best"), yes ? "yes" : "no"});
  }
  std::cout << "\nIf it were placed again now:\n";
  table.print(std::cout);
}

void print_task(const boost::json::object& why) {
  print_constraints(list_of(why, "placementConstraints"));
  print_terms(list_of(why, "terms"));
  const auto& refusals = list_of(why, "refusals");
  std::cout << "\nOther instances that would take it now: " << whole(why, "otherInstancesThatFit")
            << (refusals.empty() ? ".\n" : ". Those that would not:\n");
  print_refusals(std::cout, refusals);
}

void print_unplaced(const boost::json::object& unplaced, const std::string& cluster) {
  std::cout << "definition: " << tail_of(text_of(unplaced, "taskDefinitionArn")) << '\n';
  print_refusals(std::cout, list_of(unplaced, "refusals"));
  std::cout << "This tells where they would go now:\n  " << plan_command(unplaced, cluster) << '\n';
}

}  // namespace

int explain_task(const Context& given, const ExplainOptions& options) {
  const Context context = context_for(given, options.task);
  ApiClient api(context.api);
  boost::json::object input = input_for(context);
  if (options.group.empty()) {
    const auto task = find_task(api, context, options.task);
    if (!task) return complain(task.error());
    input["task"] = *task;
  } else {
    input["group"] = options.group;
  }
  const auto why = api.call("Berth.ExplainTask", input);
  if (!why) return complain(why.error());
  if (context.json) {
    std::cout << boost::json::serialize(*why) << '\n';
    return 0;
  }
  std::cout << text_of(*why, "summary") << '\n';
  if (why->contains("unplaced")) {
    print_unplaced(object_of(*why, "unplaced"), context.cluster);
  } else {
    print_task(*why);
  }
  return 0;
}

}  // namespace berth::cli
