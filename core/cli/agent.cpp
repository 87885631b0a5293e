// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/listings.hpp"
#include "core/cli/table.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {
namespace {

// "in 29d", "2h ago"; empty where it has no certificate.
std::string expiry_of(const boost::json::object& agent) {
  const double at = number_of(agent, "certificateExpiresAt");
  if (at == 0) return "";
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return at > now ? "in " + span_text(at - now) : span_text(now - at) + " ago";
}

}  // namespace

int list_agents(const Context& context) {
  ApiClient api(context.api);
  const auto agents = all_pages(api, "Berth.ListAgents", input_for(context), "agents");
  if (!agents) return complain(agents.error());
  if (context.json) {
    std::cout << boost::json::serialize(*agents) << '\n';
    return 0;
  }
  Table table({"AGENT", "HOST", "CLUSTER", "STATUS", "CONNECTED", "ADDRESS", "TASKS", "VERSION",
               "CERTIFICATE EXPIRES"});
  for (const auto& item : *agents) {
    if (!item.is_object()) continue;
    const auto& agent = item.as_object();
    const auto* connected = agent.if_contains("connected");
    table.row({text_of(agent, "id"), text_of(agent, "hostname"), text_of(agent, "cluster"),
               text_of(agent, "status"),
               connected != nullptr && connected->is_bool() && connected->as_bool() ? "yes" : "no",
               text_of(agent, "address"),
               std::to_string(static_cast<int>(number_of(agent, "runningTasks"))),
               text_of(agent, "agentVersion"), expiry_of(agent)});
  }
  table.print(std::cout);
  return 0;
}

int remove_agent(const Context& context, const AgentRemoveOptions& options) {
  ApiClient api(context.api);
  const auto agents = all_pages(api, "Berth.ListAgents", input_for(context), "agents");
  if (!agents) return complain(agents.error());
  std::vector<std::string> ids;
  for (const auto& agent : *agents) {
    if (agent.is_object()) ids.push_back(text_of(agent.as_object(), "id"));
  }
  const auto id = find_by_beginning(ids, options.agent, {"agent", "agents", "`berth agent list`"});
  if (!id) return complain(id.error());
  const auto answer = api.call("Berth.RemoveAgent", {{"agent", *id}, {"force", options.force}});
  if (!answer) return complain(answer.error());
  std::cout << *id << '\n';
  return 0;
}

}  // namespace berth::cli
