// SPDX-License-Identifier: Apache-2.0
#include "sdk/hosts/agent_launch_type.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "berth/detail/link.hpp"
#include "berth/owned_page.hpp"
#include "sdk/fleet/durable_file.hpp"

namespace berth::hosts {
namespace {

constexpr std::chrono::milliseconds kListTimeout{5'000};

sdk::Error error_of(berth_status status, const std::string& payload) {
  sdk::Error error = sdk::detail::decode_failure(status, payload);
  if (error.message.empty()) error.message = "the agent gave no reason";
  return error;
}

// The port of the last time: agents were told it.
std::uint16_t port_of_last_time(const std::string& file) {
  const auto text = fleet::read_small_file(file, 16);
  unsigned port = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), port);
  return port <= 65535 ? static_cast<std::uint16_t>(port) : 0;
}

fleet::InterfaceGrant grant_of(const std::string& task_id, const std::string& node_id,
                               const v1::TaskInterface& given) {
  fleet::InterfaceGrant grant{task_id, node_id, {}};
  grant.interface.set_address(given.address());
  for (const auto& group : given.groups()) grant.interface.add_groups(group.id());
  return grant;
}

}  // namespace

AgentLaunchType::AgentLaunchType(sdk::Host host, Options options)
    : LaunchType(host), options_(std::move(options)), worker_(host) {
  auto& settings = host.settings();
  named_ = settings.has("listen");
  config_.listen = {"127.0.0.1", host.config().free_ports() ? std::uint16_t{0} : options_.port};
  if (named_) {
    if (auto parsed = fleet::Endpoint::parse(settings.text("listen"))) {
      config_.listen = *parsed;
    } else {
      settings.reject("listen", parsed.error().message);
    }
  }
  const auto heartbeat = settings.integer("heartbeat_ms", 5'000, {.min = 50, .max = 300'000});
  const auto dead_after = settings.integer("dead_after_ms", 20'000, {.min = 100, .max = 600'000});
  if (dead_after < 2 * heartbeat)
    settings.reject("dead_after_ms", "it is less than two heartbeats");
  config_.heartbeat = std::chrono::milliseconds(heartbeat);
  config_.dead_after = std::chrono::milliseconds(dead_after);
  config_.max_nodes = static_cast<std::size_t>(
      settings.integer("max_nodes", 100'000, {.min = 1, .max = 1'000'000}));
  const auto lifetime = settings.integer("certificate_lifetime_seconds", 30 * 24 * 3600,
                                         {.min = 1, .max = 3650 * 24 * 3600});
  if (lifetime * 1000 < 6 * heartbeat)
    settings.reject("certificate_lifetime_seconds", "it is less than six heartbeats");
  config_.certificate_lifetime = std::chrono::seconds(lifetime);
  config_.data_dir = host.data_dir();
  if (!host.config().cluster().empty()) config_.cluster = host.config().cluster();
}

AgentLaunchType::~AgentLaunchType() {
  close();
}

void AgentLaunchType::close() {
  worker_.stop();
  {
    const std::lock_guard lock(door_->mutex);
    door_->server = nullptr;
  }
  server_.reset();
}

void AgentLaunchType::activate(sdk::Completion<v1::Empty> done) {
  worker_.post([this, done] {
    if (auto opened = open(); !opened) return done.fail(opened.error());
    done.ok();
  });
}

sdk::Result<void> AgentLaunchType::open() {
  if (config_.data_dir.empty())
    return sdk::fail(BERTH_PRECONDITION, "the launch type " + options_.launch_type +
                                             " needs a directory to keep its agents in");
  const std::string& port_file = host().config().port_file();
  const bool again = !named_ && config_.listen.port == 0 && !port_file.empty();
  if (again) config_.listen.port = port_of_last_time(port_file);
  auto opened = fleet::Server::open(config_, events());
  if (!opened && again && config_.listen.port != 0 && opened.error().status == BERTH_UNAVAILABLE) {
    host().warn(opened.error().message + "; agents of this fleet must be told the new port");
    config_.listen.port = 0;
    opened = fleet::Server::open(config_, events());
  }
  if (!opened) return opened.error();
  server_ = std::move(*opened);
  if (!port_file.empty()) {
    const auto written =
        fleet::write_durably(port_file, std::to_string(server_->port()) + "\n", 0644);
    if (!written) return written.error();
  }
  {
    const std::lock_guard lock(door_->mutex);
    door_->server = server_.get();
  }
  for (v1::Node& node : server_->nodes()) publish_node(std::move(node));
  inventory().publish();
  host().info("agents join at " + fleet::Endpoint{config_.listen.host, server_->port()}.text() +
              " with the token in " + (config_.data_dir / "join-token").string());
  server_->start();
  return {};
}

fleet::ServerEvents AgentLaunchType::events() {
  return {.node = [this](const v1::Node& node) { publish_node(node); },
          .removed = [this](const std::string& id) { inventory().remove(id); },
          .report =
              [this](const v1::TaskReport& report) {
                learn(report.task_id(), report.node_id());
                host().report(report);
              },
          .ask = [this](fleet::AskHandle to, const v1::Ask& question) { answer(to, question); },
          .log =
              [this](int level, const std::string& line) {
                if (level == BERTH_LOG_ERROR) return host().error(line);
                if (level == BERTH_LOG_WARN) return host().warn(line);
                host().info(line);
              }};
}

fleet::Server* AgentLaunchType::server() const {
  const std::lock_guard lock(door_->mutex);
  return door_->server;
}

// ECS's instances always have a zone; spreading over zones counts on it.
void AgentLaunchType::publish_node(v1::Node node) {
  constexpr const char* kZone = "ecs.availability-zone";
  const bool has_zone =
      std::any_of(node.attributes().begin(), node.attributes().end(),
                  [](const auto& attribute) { return attribute.name() == kZone; });
  if (!has_zone) {
    auto& attribute = *node.add_attributes();
    attribute.set_name(kZone);
    attribute.set_value(host().config().region() + "a");
  }
  adapt(node);
  inventory().set(std::move(node));
}

void AgentLaunchType::answer(fleet::AskHandle to, const v1::Ask& question) {
  const auto pass_on = [door = door_, to](const sdk::Result<std::string>& response) {
    const std::lock_guard lock(door->mutex);
    if (!door->server) return;
    if (response) return door->server->answer(to, BERTH_OK, *response);
    door->server->answer(to, response.error().status, sdk::detail::encode_failure(response.error()));
  };
  if (question.has_mirrors()) return host().mirrors_bytes(question.mirrors().request(), pass_on);
  if (question.has_authorize()) {
    v1::AuthorizeRequest request;
    if (!request.ParseFromString(question.authorize().request())) {
      return pass_on(sdk::fail(BERTH_INVALID, "the question cannot be read"));
    }
    request.set_node_id(to.node_id);  // whatever it says
    return host().authorize_bytes(request.SerializeAsString(), pass_on);
  }
  if (question.has_task_credentials()) {
    v1::TaskCredentialsRequest request;
    if (!request.ParseFromString(question.task_credentials().request())) {
      return pass_on(sdk::fail(BERTH_INVALID, "the question cannot be read"));
    }
    request.set_node_id(to.node_id);  // whatever it says
    return host().task_credentials(request, pass_on);
  }
  pass_on(sdk::fail(BERTH_UNIMPLEMENTED, "this control plane does not know the question"));
}

sdk::Error AgentLaunchType::not_ready() const {
  return sdk::fail(BERTH_UNAVAILABLE,
                   "the launch type " + options_.launch_type + " is not ready yet");
}

template <typename Response>
void AgentLaunchType::route(const std::string& node_id, v1::Method method,
                            const std::string& request, const sdk::Completion<Response>& done) {
  fleet::Server* const fleet = server();
  if (!fleet) return done.fail(not_ready());
  const std::uint64_t call =
      fleet->call(node_id, method, request, {.timeout = done.timeout(), .until_answered = true},
                  [done](berth_status status, const std::string& payload) {
                    if (status == BERTH_OK) return done.ok_bytes(payload);
                    done.fail(error_of(status, payload));
                  });
  done.on_cancel([door = door_, call] {
    const std::lock_guard lock(door->mutex);
    if (door->server) door->server->cancel(call);
  });
}

void AgentLaunchType::start(v1::StartTaskRequest request, sdk::Completion<v1::Empty> done) {
  learn(request.task_id(), request.node_id());
  if (request.has_task_interface()) {
    grant({grant_of(request.task_id(), request.node_id(), request.task_interface())});
  }
  route(request.node_id(), v1::METHOD_LAUNCH_START, request.SerializeAsString(), done);
}

void AgentLaunchType::stop(v1::StopTaskRequest request, sdk::Completion<v1::Empty> done) {
  route(request.node_id(), v1::METHOD_LAUNCH_STOP, request.SerializeAsString(), done);
}

void AgentLaunchType::list(const std::vector<std::string>& node_ids,
                           std::chrono::milliseconds timeout, std::function<void(TaskLists)> done) {
  const auto patience =
      timeout.count() > 0 ? std::min(timeout * 4 / 5, kListTimeout) : kListTimeout;
  if (fleet::Server* const fleet = server())
    return list_tasks(*fleet, node_ids, patience, std::move(done));
  TaskLists lists;
  for (const auto& id : node_ids) lists[id];
  done(std::move(lists));
}

void AgentLaunchType::list_owned(v1::ListOwnedRequest request,
                                 sdk::Completion<v1::ListOwnedResponse> done) {
  std::vector<std::string> ids;
  if (fleet::Server* fleet = server()) {
    fleet->grants_are_known();  // the core asks for recovery before it asks for this
    for (const auto& node : fleet->nodes()) ids.push_back(node.id());
  }
  list(ids, done.timeout(), [this, done, after = request.after()](const TaskLists& lists) {
    v1::ListOwnedResponse response;
    for (const auto& [id, node] : lists) {
      if (!node.reachable) response.add_unreachable_nodes(id);
      for (const auto& report : node.tasks) {
        learn(report.task_id(), id);
        *response.add_tasks() = report;
      }
    }
    done.ok(sdk::owned_page(std::move(response), after));
  });
}

void AgentLaunchType::recover(v1::RecoverRequest request,
                              sdk::Completion<v1::RecoverResponse> done) {
  std::set<std::string> ids;
  std::vector<fleet::InterfaceGrant> grants;
  for (const auto& task : request.tasks()) {
    ids.insert(task.node_id());
    learn(task.task_id(), task.node_id());
    if (task.has_task_interface())
      grants.push_back(grant_of(task.task_id(), task.node_id(), task.task_interface()));
  }
  grant(std::move(grants));
  list({ids.begin(), ids.end()}, done.timeout(),
       [request = std::move(request), done](const TaskLists& lists) {
         std::map<std::pair<std::string, std::string>, const v1::TaskReport*> known;
         for (const auto& [id, node] : lists) {
           for (const auto& report : node.tasks) known[{id, report.task_id()}] = &report;
         }
         v1::RecoverResponse response;
         for (const auto& task : request.tasks()) {
           const auto report = known.find({task.node_id(), task.task_id()});
           if (!lists.at(task.node_id()).reachable) {
             response.add_unreachable(task.task_id());
           } else if (report == known.end()) {
             response.add_unknown(task.task_id());
           } else {
             *response.add_known() = *report->second;
           }
         }
         done.ok(response);
       });
}

// Agents that cannot be reached now report their stopped tasks again when they are back, and the
// host forgets them again.
void AgentLaunchType::forget(v1::ForgetTasksRequest request, sdk::Completion<v1::Empty> done) {
  fleet::Server* const fleet = server();
  if (!fleet) return done.fail(not_ready());
  std::map<std::string, v1::ForgetTasksRequest> by_node;
  std::vector<std::string> homeless;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& id : request.task_ids()) {
      if (const auto address = address_of_task_.find(id); address != address_of_task_.end()) {
        fleet->revoke_interface(address->second, id);
        address_of_task_.erase(address);
      }
      const auto at = node_of_task_.find(id);
      if (at == node_of_task_.end()) {
        homeless.push_back(id);
      } else {
        by_node[at->second].add_task_ids(id);
        node_of_task_.erase(at);
      }
    }
  }
  if (!homeless.empty()) {
    for (const auto& node : fleet->nodes()) {
      for (const auto& id : homeless) by_node[node.id()].add_task_ids(id);
    }
  }
  if (by_node.empty()) return done.ok();
  auto open = std::make_shared<std::atomic<std::size_t>>(by_node.size());
  for (const auto& [node, ids] : by_node) {
    fleet->call(node, v1::METHOD_LAUNCH_FORGET, ids.SerializeAsString(), {.timeout = kListTimeout},
                [open, done](berth_status, const std::string&) {
                  if (--*open == 0) done.ok();
                });
  }
}

// A stream is bound to its connection: an agent that goes takes it along.
template <typename Request, typename Response>
void AgentLaunchType::route_stream(v1::Method method, const Request& request,
                                   const sdk::Stream& stream,
                                   const sdk::Completion<Response>& done) {
  fleet::Server* const fleet = server();
  if (!fleet) return done.fail(not_ready());
  const std::uint64_t call = fleet->call(
      request.node_id(), method, request.SerializeAsString(),
      {.timeout = done.timeout(),
       .stream_id = request.stream_id(),
       .credit = request.credit_bytes()},
      [done](berth_status status, const std::string& payload) {
        if (status == BERTH_OK) return done.ok_bytes(payload);
        done.fail(error_of(status, payload));
      },
      [stream](const v1::StreamChunk& chunk) {
        if (chunk.input_credit_bytes() > 0) stream.grant_input(chunk.input_credit_bytes());
        stream.send(chunk.channel(), chunk.data());
      });
  // The agent has the host's credit, and the host the agent's, so nothing piles up here.
  stream.on_credit([door = door_, call](std::uint32_t bytes) {
    const std::lock_guard lock(door->mutex);
    if (door->server) door->server->credit(call, bytes);
  });
  stream.on_input([door = door_, call](const v1::StreamWrite& write) {
    const std::lock_guard lock(door->mutex);
    if (door->server) door->server->write(call, write);
  });
  done.on_cancel([door = door_, call] {
    const std::lock_guard lock(door->mutex);
    if (door->server) door->server->cancel(call);
  });
}

void AgentLaunchType::exec(v1::ExecRequest request, sdk::Stream stream,
                           sdk::Completion<v1::ExecResponse> done) {
  route_stream(v1::METHOD_LAUNCH_EXEC, request, stream, done);
}

void AgentLaunchType::logs(v1::LogsRequest request, sdk::Stream stream,
                           sdk::Completion<v1::LogsResponse> done) {
  route_stream(v1::METHOD_LAUNCH_LOGS, request, stream, done);
}

// One question to one agent, whose answer is the caller's.
template <typename Request, typename Response>
void AgentLaunchType::route(v1::Method method, const Request& request,
                            const sdk::Completion<Response>& done) {
  fleet::Server* const fleet = server();
  if (!fleet) return done.fail(not_ready());
  fleet->call(request.node_id(), method, request.SerializeAsString(), {.timeout = done.timeout()},
              [done](berth_status status, const std::string& payload) {
                if (status == BERTH_OK) return done.ok_bytes(payload);
                done.fail(error_of(status, payload));
              });
}

void AgentLaunchType::stats(v1::StatsRequest request, sdk::Completion<v1::StatsResponse> done) {
  route(v1::METHOD_LAUNCH_STATS, request, done);
}

void AgentLaunchType::list_images(v1::ListImagesRequest request,
                                  sdk::Completion<v1::ListImagesResponse> done) {
  route(v1::METHOD_LAUNCH_LIST_IMAGES, request, done);
}

void AgentLaunchType::pull_image(v1::PullImageRequest request,
                                 sdk::Completion<v1::PullImageResponse> done) {
  route(v1::METHOD_LAUNCH_PULL_IMAGE, request, done);
}

void AgentLaunchType::prune_images(v1::PruneImagesRequest request,
                                   sdk::Completion<v1::PruneImagesResponse> done) {
  route(v1::METHOD_LAUNCH_PRUNE_IMAGES, request, done);
}

// Draining is the host's affair: nothing more is placed on such a node.
void AgentLaunchType::update_node(v1::UpdateNodeRequest request, sdk::Completion<v1::Empty> done) {
  if (request.wish() != v1::UpdateNodeRequest::WISH_DEREGISTER) return done.ok();
  worker_.post([this, id = request.node_id(), done] {
    if (auto removed = server()->remove(id);
        !removed && removed.error().status != BERTH_NOT_FOUND) {
      return done.fail(removed.error());
    }
    done.ok();
  });
}

void AgentLaunchType::grant(std::vector<fleet::InterfaceGrant> grants) {
  fleet::Server* const fleet = server();
  if (!fleet || grants.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& grant : grants) address_of_task_[grant.task_id] = grant.interface.address();
  }
  fleet->grant_interfaces(std::move(grants));
}

void AgentLaunchType::learn(const std::string& task_id, const std::string& node_id) {
  const std::lock_guard lock(mutex_);
  node_of_task_[task_id] = node_id;
}

}  // namespace berth::hosts
