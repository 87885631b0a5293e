// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/table.hpp"

namespace berth::cli {
namespace {

std::string joined(const boost::json::array& items) {
  std::string text;
  for (const auto& item : items) {
    if (item.is_string()) text += (text.empty() ? "" : ", ") + std::string(item.as_string());
  }
  return text;
}

}  // namespace

int list_plugins(const Context& context) {
  ApiClient api(context.api);
  const auto answer = api.call("Berth.ListPlugins", {});
  if (!answer) return complain(answer.error());
  if (context.json) {
    std::cout << boost::json::serialize(*answer) << '\n';
    return 0;
  }
  Table table({"NAME", "VERSION", "STATUS", "INTERFACES", "SERVES", "WHERE OR WHY NOT"});
  for (const auto& item : list_of(*answer, "plugins")) {
    if (!item.is_object()) continue;
    const auto& plugin = item.as_object();
    boost::json::array serves = list_of(plugin, "launchTypes");
    for (const auto& provider : list_of(plugin, "capacityProviders")) serves.push_back(provider);
    const std::string reason = text_of(plugin, "statusReason");
    table.row({text_of(plugin, "name"), text_of(plugin, "version"), text_of(plugin, "status"),
               joined(list_of(plugin, "interfaces")), joined(serves),
               reason.empty() ? text_of(plugin, "path") : reason});
  }
  table.print(std::cout);
  return 0;
}

int show_version(const Context& context) {
  boost::json::object versions{{"client", BERTH_VERSION}};
  ApiClient api(context.api);
  const auto answer = api.call("Berth.GetVersion", {});
  if (answer) versions["server"] = text_of(*answer, "version");
  if (context.json) {
    std::cout << boost::json::serialize(versions) << '\n';
    return 0;
  }
  std::cout << "berth " << BERTH_VERSION << '\n';
  if (answer) {
    std::cout << "control plane " << text_of(*answer, "version") << " at " << api.url() << '\n';
  } else {
    std::cout << "no control plane at " << api.url() << '\n';
  }
  return 0;
}

}  // namespace berth::cli
