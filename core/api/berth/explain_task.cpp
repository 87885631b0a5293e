// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/show_placement.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/show.hpp"
#include "core/model/host_name.hpp"

namespace berth::api {
namespace {

std::string place_text(const control::ExplainTaskAnswer& why) {
  const Task& task = *why.task;
  if (why.instance == nullptr) return "a node of the plugin " + task.plugin.str();
  const std::string& ec2 = why.instance->node.ec2_instance_id();
  const std::string host = ec2.empty() ? host_name_of(why.instance->node) : ec2;
  const std::string name = "the container instance " + task.node.str();
  return host.empty() ? name : name + " (" + host + ")";
}

std::string chooser_text(const control::ExplainTaskAnswer& why) {
  if (why.task->launch->placed_by == "StartTask") return "StartTask named it.";
  const bool by_service = why.task->launch->placed_by == "service";
  if (why.task->launch->placed_by != "RunTask" && !by_service) {
    return "The record does not tell how its place was found.";
  }
  const std::string who = by_service ? "Its service" : "RunTask";
  if (why.strategies.size() == 1 && why.strategies.front().type() == "random") {
    return who + " chose its place at random among those that fitted.";
  }
  std::string list;
  for (const auto& one : why.strategies) list += (list.empty() ? "" : ", ") + strategy_text(one);
  return who + " placed it by " + list + ".";
}

std::string life_text(const control::ExplainTaskAnswer& why) {
  const Task& task = *why.task;
  const std::string place = place_text(why);
  if (task.last_status == TaskStatus::Stopped) {
    std::string text = "The task has stopped; it was on " + place + ".";
    if (task.stop_code) {
      text += " " + std::string(to_string(*task.stop_code));
      if (!task.stopped_reason.empty()) text += ":";
    }
    if (!task.stopped_reason.empty()) text += " " + task.stopped_reason;
    return text.ends_with('.') ? text : text + ".";
  }
  if (task.desired_status == DesiredStatus::Stopped) {
    return "The task is stopping on " + place + " and holds its resources until it has stopped.";
  }
  if (task.last_status == TaskStatus::Running) return "The task runs on " + place + ".";
  return "The task is " + std::string(to_string(task.last_status)) + " on " + place + ": " +
         (task.start_acknowledged ? "its plugin has taken the start over and prepares it."
                                  : "its plugin has not taken the start over yet.");
}

// One sentence or two on what the terms show; they speak of now, not of the time of the decision.
std::string terms_text(const control::ExplainTaskAnswer& why) {
  if (why.instance == nullptr && !why.node_known) {
    return " Its node is gone, so nothing can be compared.";
  }
  if (why.place_refuses) {
    return (why.others_that_fit > 0 ? " Placed again now it would go elsewhere. "
                                    : " Placed again now it would find no place. ") +
           why.place_refuses->detail;
  }
  for (const auto& term : why.terms) {
    if (term.measured && term.value > term.best) {
      return " Placed again now it would go elsewhere: by " + strategy_text(term.strategy) +
             " its place has " + std::to_string(term.value) + ", the best has " +
             std::to_string(term.best) + ".";
    }
    if (!term.measured) {
      return why.terms.size() == 1 ? "" : " Among those that were equal chance decided.";
    }
  }
  if (why.terms.empty()) return "";
  return " Placed again now it would be among the best places still.";
}

model::StrategyTerm show_term(const control::StrategyTerm& term) {
  model::StrategyTerm shown;
  shown.set_type(term.strategy.type());
  if (term.strategy.has_field()) shown.set_field(term.strategy.field());
  if (!term.attribute_value.empty()) shown.set_attribute_value(term.attribute_value);
  if (!term.measured) return shown;
  shown.set_value(term.value);
  shown.set_best(term.best);
  shown.set_chosen_again(term.value == term.best);
  return shown;
}

void show_unplaced(const control::UnplacedTasks& unplaced, const Realm& realm,
                   model::ExplainTaskResponse& response) {
  model::UnplacedTasks& shown = *response.mutable_unplaced();
  shown.set_operation(unplaced.operation);
  shown.set_group(unplaced.group);
  shown.set_task_definition_arn(realm.task_definition_arn(unplaced.definition));
  shown.mutable_at()->set_ms(unplaced.at.time_since_epoch().count());
  shown.set_count(unplaced.count);
  shown.set_placed_count(unplaced.placed);
  if (!unplaced.message.empty()) shown.set_message(unplaced.message);
  for (const auto& failure : unplaced.failures) *shown.add_failures() = show_failure(failure);
  for (const auto& one : unplaced.refusals) *shown.add_refusals() = show_refusal(one);
  if (!unplaced.launch_type.empty()) shown.set_launch_type(unplaced.launch_type);
  for (const auto& one : unplaced.providers) *shown.add_capacity_provider_strategy() = one;
  for (const auto& one : unplaced.constraints) *shown.add_placement_constraints() = one;
  for (const auto& one : unplaced.strategies) *shown.add_placement_strategy() = one;
  std::string text = unplaced.operation + " found places for " + std::to_string(unplaced.placed) +
                     " of " + std::to_string(unplaced.count) + " tasks of the group " +
                     unplaced.group + ".";
  response.set_summary(unplaced.message.empty() ? text : text + " " + unplaced.message);
}

void answer(const Call& call, const control::Answer& given) {
  const auto& why = std::get<control::ExplainTaskAnswer>(given);
  model::ExplainTaskResponse response;
  if (why.unplaced) {
    show_unplaced(*why.unplaced, call.realm(), response);
    return call.reply(response);
  }
  *response.mutable_task() = show_task({why.task, why.instance}, call.realm(), Tags::Show);
  response.set_summary(life_text(why) + " " + chooser_text(why) + terms_text(why));
  *response.mutable_place() = show_place(why.place);
  if (!why.task->launch->placed_by.empty()) {
    response.set_placed_by(why.task->launch->placed_by);
  }
  for (const auto& one : why.constraints) *response.add_placement_constraints() = one;
  for (const auto& one : why.strategies) *response.add_placement_strategy() = one;
  for (const auto& term : why.terms) *response.add_terms() = show_term(term);
  if (why.place_refuses) *response.mutable_place_refuses() = show_failure(*why.place_refuses);
  response.set_other_instances_that_fit(why.others_that_fit);
  for (const auto& one : why.refusals) *response.add_refusals() = show_refusal(one);
  call.reply(response);
}

}  // namespace

void explain_task(const Call& call) {
  model::ExplainTaskRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  if (request.task().empty() == request.group().empty()) {
    return call.refuse(Error{Errc::Invalid,
                             "Either task or group says what to explain: give one of the two.",
                             Subject::Request, "task"});
  }
  control::ExplainTask command{.cluster = cluster->str(), .task = {}, .group = request.group()};
  if (!request.task().empty()) {
    auto id = id_in_cluster(request.task(), "task", *cluster);
    if (!id) return call.refuse(id.error());
    command.task = *id;
  }
  call.submit(std::move(command), answer);
}

}  // namespace berth::api
