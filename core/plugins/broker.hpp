// SPDX-License-Identifier: Apache-2.0
// Carries plugins' questions to the plugins that can answer them, and the answers back: about
// images to the registry plugin that serves the image's host, about roles to those of
// berth.credentials/1.
//
// Of registry plugins the most specific matching pattern (most characters that are not '*') is
// asked first, then by plugin name; the next one where a plugin answers NotFound or Unimplemented.
// Bytes of requests and answers are passed on unread, but for the registry's name. A launch type
// plugin never names a role: it names a task, and the core says which role that has. Threads: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "berth/v1/credentials.pb.h"
#include "berth/v1/plugin.pb.h"
#include "berth/v1/registry.pb.h"
#include "core/plugins/peer.hpp"

namespace berth::plugins {

class Broker {
 public:
  // The ARN of a task's role. Errors: NotFound where the asker runs no such task on that node.
  using RoleOf = std::function<Result<std::string>(const PluginName& asker,
                                                   const v1::TaskCredentialsRequest& request)>;
  // Whether the asker's node may pull as a task's execution role, or with a container's
  // credentials. Errors: Denied where no task there has them.
  using MayPull =
      std::function<Result<void>(const PluginName& asker, const v1::AuthorizeRequest& request)>;
  struct Options {
    milliseconds timeout = std::chrono::seconds(30);  // for each plugin asked
    std::size_t open_asks = 1024;  // of one asking plugin; more are answered Unavailable
    RoleOf role_of{};              // none: tasks have no roles
    MayPull may_pull{};            // none: nobody may
  };
  Broker();
  explicit Broker(Options options);

  // Takes a registry plugin in, or replaces what is known of it.
  void add(const std::shared_ptr<Peer>& registry, const v1::Interface& interface);
  void remove(const PluginName& registry);
  // Takes in a plugin that knows roles; asked in the order of names.
  void add_credentials(const std::shared_ptr<Peer>& plugin);

  // An EVENT_ASK of `asker`. It is answered by METHOD_ANSWER exactly once, unless the asker is gone
  // by then. Bytes that are no question with a number are dropped. Errors: Invalid, for these.
  [[nodiscard]] Result<void> ask(const std::shared_ptr<Peer>& asker, std::string_view payload);

 private:
  struct Route {
    std::vector<std::string> patterns;
    std::weak_ptr<Peer> registry;
  };
  struct Question;
  using QuestionPtr = std::shared_ptr<Question>;

  [[nodiscard]] std::vector<std::weak_ptr<Peer>> routes_for(const std::string& host) const;
  [[nodiscard]] Result<void> read(Question& question, const PluginName& asker, v1::Ask& ask) const;
  [[nodiscard]] Result<void> read_role(Question& question,
                                       const v1::AssumeRoleRequest& request) const;
  void next(const QuestionPtr& question);
  void answer(const Question& question, std::int32_t status, std::string response);

  Options options_;
  std::map<PluginName, Route> routes_;
  std::map<PluginName, std::weak_ptr<Peer>> credentials_;
  std::shared_ptr<std::map<PluginName, std::size_t>> open_;  // questions by asker
  std::shared_ptr<void> alive_;                              // gone with the broker
};

// Whether `host` ("host[:port]", any case) matches `pattern`, in which '*' stands for any run of
// characters.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view host);

}  // namespace berth::plugins
