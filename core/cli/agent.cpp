// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/table.hpp"

namespace berth::cli {
namespace {

Result<boost::json::array> all_agents(ApiClient& api, const Context& context) {
  boost::json::array all;
  boost::json::object request;
  if (!context.cluster.empty()) request["cluster"] = context.cluster;
  for (;;) {
    const auto answer = api.call("Berth.ListAgents", request);
    if (!answer) return tl::unexpected(answer.error());
    for (const auto& agent : list_of(*answer, "agents")) all.push_back(agent);
    const std::string next = text_of(*answer, "nextToken");
    if (next.empty()) return all;
    request["nextToken"] = next;
  }
}

// "in 29d", "2h ago"; empty where it has no certificate.
std::string expiry_of(const boost::json::object& agent) {
  const double at = number_of(agent, "certificateExpiresAt");
  if (at == 0) return "";
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return at > now ? "in " + span_text(at - now) : span_text(now - at) + " ago";
}

// The one whose id, or ARN, is or begins with `text`.
Result<boost::json::object> find_agent(const boost::json::array& agents, const std::string& text) {
  const std::string wanted = tail_of(text);
  const boost::json::object* found = nullptr;
  for (const auto& item : agents) {
    if (!item.is_object() || wanted.empty()) continue;
    const auto& agent = item.as_object();
    if (!text_of(agent, "id").starts_with(wanted)) continue;
    if (found != nullptr) {
      return fail(Errc::Invalid,
                  "several agents' ids begin with '" + wanted + "': give more of it");
    }
    found = &agent;
  }
  if (found == nullptr) return fail(Errc::NotFound, "no agent has the id '" + text + "'");
  return *found;
}

}  // namespace

int list_agents(const Context& context) {
  ApiClient api(context.api);
  const auto agents = all_agents(api, context);
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
  const auto agents = all_agents(api, context);
  if (!agents) return complain(agents.error());
  const auto agent = find_agent(*agents, options.agent);
  if (!agent) return complain(agent.error());
  const auto answer =
      api.call("Berth.RemoveAgent", {{"agent", text_of(*agent, "id")}, {"force", options.force}});
  if (!answer) return complain(answer.error());
  std::cout << text_of(*agent, "id") << '\n';
  return 0;
}

}  // namespace berth::cli
