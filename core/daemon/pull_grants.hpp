// SPDX-License-Identifier: Apache-2.0
// What nodes were told to pull ahead of tasks, and with whose credentials: what may_pull() says of
// tasks, of calls of PullImage.
//
// Threads: loop. A grant lasts for an hour from the last time its call was made.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "berth/v1/launch.pb.h"
#include "berth/v1/registry.pb.h"
#include "core/model/ids.hpp"
#include "core/model/instant.hpp"

namespace berth::daemon {

class PullGrants {
 public:
  void add(const PluginName& plugin, const v1::PullImageRequest& request, Instant now);
  [[nodiscard]] bool cover(const PluginName& plugin, const v1::AuthorizeRequest& request,
                           Instant now) const;

 private:
  // Plugin, node, image, role, credentials.
  using Key = std::tuple<PluginName, std::string, std::string, std::string, std::string>;
  std::map<Key, Instant> until_;
  std::deque<std::pair<Instant, Key>> by_age_;  // each once, no later than it ends
};

}  // namespace berth::daemon
