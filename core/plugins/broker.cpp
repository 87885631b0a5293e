// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/broker.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <tuple>
#include <utility>

#include "berth/plugin_abi.h"
#include "berth/v1/registry.pb.h"

namespace berth::plugins {
namespace {

// The end of a call as METHOD_ANSWER carries it. Errc has the values of berth_status.
std::pair<std::int32_t, std::string> encode(const Error& error) {
  v1::Failure failure;
  failure.set_message(error.message);
  failure.set_field(error.what);
  failure.set_retry_after_ms(static_cast<std::uint32_t>(error.retry_after.count()));
  return {static_cast<std::int32_t>(error.code), failure.SerializeAsString()};
}

std::size_t literal_size(std::string_view pattern) {
  return pattern.size() - static_cast<std::size_t>(std::count(pattern.begin(), pattern.end(), '*'));
}

bool same(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

}  // namespace

// Iterative, as the pattern is a plugin's: on a mismatch only the last '*' takes one character
// more.
bool matches(std::string_view pattern, std::string_view host) {
  std::size_t p = 0;
  std::size_t h = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (h < host.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = h;
    } else if (p < pattern.size() && same(pattern[p], host[h])) {
      ++p;
      ++h;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      h = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

struct Broker::Question {
  Question(std::shared_ptr<std::map<PluginName, std::size_t>> counts, std::shared_ptr<Peer> by)
      : open(std::move(counts)), asker_name(by->name()), asker(by) {
    ++(*open)[asker_name];
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question() {
    if (--(*open)[asker_name] == 0) open->erase(asker_name);
  }

  std::shared_ptr<std::map<PluginName, std::size_t>> open;
  PluginName asker_name;
  std::weak_ptr<Peer> asker;
  std::uint64_t id = 0;
  std::uint32_t method = 0;
  std::string nobody;  // what to say where there is none to ask
  std::string request;
  std::vector<std::weak_ptr<Peer>> routes;  // not yet asked
};

Broker::Broker() : Broker(Options{}) {}
Broker::Broker(Options options)
    : options_(options),
      open_(std::make_shared<std::map<PluginName, std::size_t>>()),
      alive_(std::make_shared<char>()) {}

void Broker::add(const std::shared_ptr<Peer>& registry, const v1::Interface& interface) {
  Route& route = routes_[registry->name()];
  route.patterns.assign(interface.registry_hosts().begin(), interface.registry_hosts().end());
  route.registry = registry;
}

void Broker::remove(const PluginName& registry) {
  routes_.erase(registry);
  credentials_.erase(registry);
}

void Broker::add_credentials(const std::shared_ptr<Peer>& plugin) {
  credentials_[plugin->name()] = plugin;
}

std::vector<std::weak_ptr<Peer>> Broker::routes_for(const std::string& host) const {
  std::vector<std::tuple<std::size_t, PluginName, std::weak_ptr<Peer>>> found;
  for (const auto& [name, route] : routes_) {
    std::optional<std::size_t> best;
    for (const std::string& pattern : route.patterns) {
      if (matches(pattern, host)) best = std::max(best.value_or(0), literal_size(pattern));
    }
    if (best) found.emplace_back(*best, name, route.registry);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::get<0>(a) > std::get<0>(b);  // routes_ is in the order of names already
  });
  std::vector<std::weak_ptr<Peer>> peers;
  for (auto& [size, name, peer] : found) peers.push_back(std::move(peer));
  return peers;
}

// What a question asks, and of whom.
Result<void> Broker::read(Question& question, const PluginName& asker, v1::Ask& ask) const {
  const auto unreadable = fail(Errc::Invalid, "the question's request cannot be read");
  const auto of_registry = [&](auto request, std::string& bytes,
                               v1::Method method) -> Result<void> {
    question.request = std::move(bytes);
    if (!request.ParseFromString(question.request)) return unreadable;
    question.method = method;
    question.routes = routes_for(request.registry());
    question.nobody = "no registry plugin serves '" + request.registry() +
                      "'; load one whose registry_hosts match it";
    return {};
  };
  if (ask.has_mirrors()) {
    return of_registry(v1::MirrorsRequest(), *ask.mutable_mirrors()->mutable_request(),
                       v1::METHOD_REGISTRY_MIRRORS);
  }
  if (ask.has_authorize()) {
    v1::AuthorizeRequest request;
    if (!request.ParseFromString(ask.authorize().request())) return unreadable;
    if (!request.execution_role_arn().empty() || !request.credentials().empty()) {
      auto may = options_.may_pull ? options_.may_pull(asker, request)
                                   : Result<void>(fail(Errc::Denied, "tasks have no roles here"));
      if (!may) return may;
    }
    return of_registry(v1::AuthorizeRequest(), *ask.mutable_authorize()->mutable_request(),
                       v1::METHOD_REGISTRY_AUTHORIZE);
  }
  if (ask.has_task_credentials()) {
    v1::TaskCredentialsRequest request;
    if (!request.ParseFromString(ask.task_credentials().request())) return unreadable;
    auto arn = options_.role_of
                   ? options_.role_of(asker, request)
                   : Result<std::string>(fail(Errc::NotFound, "tasks have no roles here"));
    if (!arn) return tl::unexpected(arn.error());
    v1::AssumeRoleRequest role;
    role.set_role_arn(*arn);
    role.set_session_name(request.task_id());
    return read_role(question, role);
  }
  if (ask.has_assume_role()) {
    // Registry plugins are part of the control plane; what runs tasks must name a task.
    if (!routes_.contains(asker))
      return fail(Errc::Denied, "only registry plugins may name a role");
    v1::AssumeRoleRequest role;
    if (!role.ParseFromString(ask.assume_role().request())) return unreadable;
    return read_role(question, role);
  }
  return fail(Errc::Unimplemented, "a question that this Berth does not know");
}

Result<void> Broker::read_role(Question& question, const v1::AssumeRoleRequest& request) const {
  question.method = v1::METHOD_CREDENTIALS_ASSUME_ROLE;
  question.request = request.SerializeAsString();
  for (const auto& [name, plugin] : credentials_) question.routes.push_back(plugin);
  question.nobody = "no plugin knows the role " + request.role_arn();
  return {};
}

Result<void> Broker::ask(const std::shared_ptr<Peer>& asker, std::string_view payload) {
  v1::Ask ask;
  if (!ask.ParseFromArray(payload.data(), static_cast<int>(payload.size())) || ask.ask_id() == 0) {
    return fail(Errc::Invalid, "a question of " + asker->name().str() + " cannot be read",
                Subject::Plugin, asker->name().str());
  }
  auto question = std::make_shared<Question>(open_, asker);
  question->id = ask.ask_id();
  const auto refuse = [&](Errc code, const std::string& words) -> Result<void> {
    const auto [status, bytes] = encode(Error{code, words});
    answer(*question, status, bytes);
    return {};
  };
  if ((*open_)[asker->name()] > options_.open_asks) {
    return refuse(Errc::Unavailable, "too many questions are open");
  }
  if (const auto read_it = read(*question, asker->name(), ask); !read_it) {
    return refuse(read_it.error().code, read_it.error().message);
  }
  next(question);
  return {};
}

void Broker::next(const QuestionPtr& question) {
  while (!question->routes.empty()) {
    const auto registry = question->routes.front().lock();
    question->routes.erase(question->routes.begin());
    if (!registry) continue;
    registry->call(question->method, question->request, {.timeout = options_.timeout},
                   [this, question, alive = std::weak_ptr(alive_)](Result<std::string> result) {
                     if (alive.expired()) return;  // the broker is gone
                     if (result) return answer(*question, BERTH_OK, std::move(*result));
                     const Errc code = result.error().code;
                     if ((code == Errc::NotFound || code == Errc::Unimplemented) &&
                         !question->routes.empty()) {
                       return next(question);
                     }
                     const auto [status, bytes] = encode(result.error());
                     answer(*question, status, bytes);
                   });
    return;
  }
  const auto [status, bytes] = encode(Error{Errc::NotFound, question->nobody});
  answer(*question, status, bytes);
}

void Broker::answer(const Question& question, std::int32_t status, std::string response) {
  const auto asker = question.asker.lock();
  if (!asker) return;
  v1::Answer answer;
  answer.set_ask_id(question.id);
  answer.set_status(status);
  answer.set_response(std::move(response));
  // Whether the asker still wants it is its own affair.
  asker->call(v1::METHOD_ANSWER, answer.SerializeAsString(), {.timeout = options_.timeout},
              [](Result<std::string>) {});
}

}  // namespace berth::plugins
