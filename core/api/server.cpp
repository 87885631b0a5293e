// SPDX-License-Identifier: Apache-2.0
#include "core/api/server.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

#include "core/api/berth/exec.hpp"
#include "core/api/berth/images.hpp"
#include "core/api/berth/logs.hpp"
#include "core/api/berth/task_stats.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/http/own_host.hpp"
#include "core/api/http/server.hpp"
#include "core/api/record_counts.hpp"
#include "core/api/sigv4/verifier.hpp"
#include "core/api/state_metrics.hpp"
#include "core/control/instance_query.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kEcsPrefix = "AmazonEC2ContainerServiceV20141113.";
constexpr std::string_view kBerthPrefix = "Berth_20261122.";

Result<void> check(const Config& config) {
  if (config.tls_certificate.empty() != config.tls_key.empty()) {
    return fail(Errc::Invalid, "TLS needs a certificate and its key: one of the two is not given.");
  }
  if (http::is_loopback(config.address)) return {};
  std::string lacks;
  if (config.tls_certificate.empty()) lacks = "TLS (a certificate and its key)";
  if (config.access_keys.empty())
    lacks += (lacks.empty() ? "" : " and ") + std::string("access keys");
  if (lacks.empty()) return {};
  return fail(Errc::Precondition,
              "The API does not listen on " + config.address + " without " + lacks +
                  ": beyond loopback anybody could use it. Configure them, or listen on 127.0.0.1.",
              Subject::None, config.address);
}

Result<void> check_expression(std::string_view text) {
  auto query = control::InstanceQuery::parse(text);
  if (!query) return tl::unexpected(query.error());
  return {};
}

Result<InstanceMatch> compile_filter(std::string_view text) {
  auto query = control::InstanceQuery::parse(text);
  if (!query) {
    Error error = query.error();
    error.message = "Invalid filter '" + std::string(text) + "': " + error.message;
    error.what = "filter";
    return tl::unexpected(std::move(error));
  }
  return InstanceMatch(
      [query = *query](const ContainerInstance& instance, const control::State& state) {
        return query.matches(instance, state);
      });
}

// Counters, all of one service.
class Metrics {
 public:
  explicit Metrics(std::shared_ptr<prometheus::Registry> registry)
      : registry_(registry ? std::move(registry) : std::make_shared<prometheus::Registry>()),
        requests_(prometheus::BuildCounter()
                      .Name("berth_api_requests_total")
                      .Help("Requests by operation and HTTP status.")
                      .Register(*registry_)),
        unknown_(
            prometheus::BuildCounter()
                .Name("berth_api_unknown_members_total")
                .Help("Members of inputs that the API model does not know and that were ignored.")
                .Register(*registry_)
                .Add({})),
        connections_(prometheus::BuildGauge()
                         .Name("berth_api_connections")
                         .Help("Open connections.")
                         .Register(*registry_)
                         .Add({})) {}

  // `operation` is one of our table, never a client's text: labels must not grow with what
  // strangers send.
  void count(const std::string& operation, int status) {
    requests_.Add({{"operation", operation}, {"status", std::to_string(status)}}).Increment();
  }
  void count_unknown(std::size_t members) { unknown_.Increment(static_cast<double>(members)); }
  [[nodiscard]] Families collect(std::size_t connections) {
    connections_.Set(static_cast<double>(connections));
    return registry_->Collect();
  }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Counter& unknown_;
  prometheus::Gauge& connections_;
};

// What a request asks for, and under which name it is counted.
struct Route {
  std::string label;
  std::function<void(Call)> run;
  std::optional<Exception> refusal;
};

}  // namespace

class Server::Impl {
 public:
  Impl(Config config, Ports ports)
      : config_(std::move(config)),
        ports_(std::move(ports)),
        metrics_(ports_.metrics),
        records_(ports_.control),
        verifier_(keys(config_), ports_.now) {}
  ~Impl() { stop(); }

  Result<void> start() {
    const Limits& limits = config_.limits;
    http::Options options{
        .address = config_.address,
        .port = config_.port,
        .tls_certificate = config_.tls_certificate,
        .tls_key = config_.tls_key,
        .body_bytes = limits.body_bytes,
        .header_bytes = limits.header_bytes,
        .connections = limits.connections,
        .read_timeout = limits.read_timeout,
        .idle_timeout = limits.idle_timeout,
        .write_timeout = limits.write_timeout,
        .answer_timeout = limits.answer_timeout,
        .stop_grace = limits.stop_grace,
        .threads = config_.threads,
        .now = ports_.now,
        .refuse = [this](int status, const std::string& reason) { return refuse(status, reason); }};
    // Requests may come before the server is known here: they wait for the backend.
    std::unique_lock lock(starting_);
    auto server =
        http::Server::start(std::move(options), [this](http::Request request, http::Answer answer) {
          { const std::lock_guard wait(starting_); }
          serve(std::move(request), std::move(answer));
        });
    if (!server) return tl::unexpected(server.error());
    http_ = std::move(*server);
    backend_ = std::make_shared<Backend>(
        Backend{.control = ports_.control,
                .realm = config_.realm,
                .default_cluster = config_.default_cluster,
                .post = http_->executor(),
                .now = ports_.now,
                .check_expression = check_expression,
                .compile_filter = compile_filter,
                .count_unknown = [this](std::size_t members) { metrics_.count_unknown(members); }});
    return {};
  }
  void stop() {
    if (http_) http_->stop();
  }
  [[nodiscard]] std::uint16_t port() const { return http_->port(); }

 private:
  static std::vector<sigv4::Key> keys(const Config& config) {
    std::vector<sigv4::Key> keys;
    for (const AccessKey& key : config.access_keys) {
      keys.push_back({key.id, key.secret, key.principal});
    }
    return keys;
  }

  std::string request_id() {
    const std::lock_guard lock(rng_mutex_);
    return ports_.rng.uuid();
  }

  // What never became a request of an operation.
  http::Response refuse(int status, const std::string& reason) {
    metrics_.count("none", status);
    Exception exception{"ServerException", status, reason};
    if (status == 413) {
      exception = front_end_exception(
          "RequestEntityTooLargeException",
          "The body exceeds " + std::to_string(config_.limits.body_bytes) + " bytes.");
    } else if (status < 500) {
      exception = front_end_exception("SerializationException",
                                      "The request cannot be read as HTTP: " + reason + ".");
    }
    exception.status = status;
    http::Response response = to_response(exception);
    response.headers.push_back({"x-amzn-RequestId", request_id()});
    return response;
  }

  void serve(http::Request request, http::Answer answer) {
    const std::string path(request.path());
    if (config_.access_keys.empty()) {
      if (const auto why = http::strange_origin(request, config_.host_name)) {
        Exception denied = front_end_exception("AccessDeniedException", *why);
        denied.status = 403;
        return named("none", std::move(answer))(to_response(denied));
      }
    }
    if (request.method == "GET" && path == "/healthz") {
      return answer({.content_type = "text/plain; charset=utf-8", .body = "ok\n"});
    }
    if (request.method == "GET" && path == "/metrics") {
      return show_metrics(std::move(answer));
    }
    const Route route = route_of(request, path);
    answer = named(route.label, std::move(answer));
    const auto identity = verifier_.verify(request, "ecs");
    if (!identity) {
      return answer(
          to_response(front_end_exception(identity.error().type, identity.error().message)));
    }
    if (route.refusal) return answer(to_response(*route.refusal));
    if (path == "/berth/v1/logs") return stream_logs(backend_, ports_.logs, request, answer);
    if (path == "/berth/v1/exec") return begin_exec(backend_, ports_.execs, request, answer);
    std::string principal = identity->principal;
    if (principal.empty()) principal = "arn:aws:iam::" + config_.realm.account + ":root";
    route.run(Call(backend_, std::move(request.body), std::move(principal), std::move(answer)));
  }

  // The records' are counted on the loop, all is written elsewhere.
  void show_metrics(http::Answer answer) {
    records_.ask([this, answer = std::move(answer)](std::shared_ptr<const Families> records) {
      backend_->post([this, records = std::move(records), answer] {
        Families all = metrics_.collect(http_->connections());
        const auto add = [&](const Families& more) {
          all.insert(all.end(), more.begin(), more.end());
        };
        add(*records);
        if (ports_.plugins) add(metrics_of(ports_.plugins()));
        add(process_metrics());
        answer({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                .body = prometheus::TextSerializer().Serialize(all)});
      });
    });
  }

  // Adds the request's id to an answer and counts it.
  http::Answer named(const std::string& label, http::Answer answer) {
    return [this, label, id = request_id(), answer = std::move(answer)](http::Response response) {
      metrics_.count(label, response.status);
      response.headers.push_back({"x-amzn-RequestId", id});
      answer(std::move(response));
    };
  }

  Route route_of(const http::Request& request, const std::string& path) {
    const auto refused = [](const std::string& label, Exception exception) {
      return Route{label, {}, std::move(exception)};
    };
    if (path == "/berth/v1/logs" || path == "/berth/v1/exec") {
      const std::string label = path.substr(path.rfind('/') + 1);
      if (request.method != "GET") return refused(label, wrong_method(request.method, path, "GET"));
      return {label, {}, {}};
    }
    if (path != "/") {
      Exception exception =
          front_end_exception("UnknownOperationException", "There is nothing at " + path + ".");
      exception.status = 404;
      return refused("none", exception);
    }
    if (request.method != "POST") {
      return refused("none", wrong_method(request.method, path, "POST"));
    }
    const std::string* target = request.header("x-amz-target");
    return target == nullptr
               ? refused("none", front_end_exception("UnknownOperationException",
                                                     "The header X-Amz-Target is missing."))
               : route_of_target(*target);
  }

  static Exception wrong_method(const std::string& method, const std::string& path,
                                const std::string& right) {
    Exception exception = front_end_exception("UnknownOperationException",
                                              path + " takes " + right + ", not " + method + ".");
    exception.status = 405;
    return exception;
  }

  Route route_of_target(const std::string& target) {
    const std::string operation = target.substr(target.find('.') + 1);
    if (target.starts_with(kEcsPrefix)) {
      const Lookup found = find_ecs_operation(operation);
      if (found.operation != nullptr) return {operation, found.operation, {}};
      if (found.known) {
        return {operation,
                {},
                unsupported("The operation " + operation + " is not supported by " +
                            (found.instead.empty() ? std::string("this version of Berth.")
                                                   : "Berth: " + std::string(found.instead)))};
      }
    }
    if (target.starts_with(kBerthPrefix)) {
      if (operation == "WatchTask") return {operation, watch_task, {}};
      if (operation == "PlanTask") return {operation, plan_task, {}};
      if (operation == "ExplainTask") return {operation, explain_task, {}};
      if (operation == "ListAgents") return {operation, list_agents, {}};
      if (operation == "ListPools") return {operation, list_pools, {}};
      if (operation == "RemoveAgent") return {operation, remove_agent, {}};
      if (operation == "RestServices") return {operation, rest_services, {}};
      if (operation == "TaskStats") {
        return {operation, [this](const Call& call) { task_stats(call, ports_.stats); }, {}};
      }
      if (operation == "ListImages") {
        return {operation, [this](const Call& call) { list_images(call, ports_.images); }, {}};
      }
      if (operation == "PullImage") {
        return {operation, [this](const Call& call) { pull_image(call, ports_.images, request_id()); }, {}};
      }
      if (operation == "PruneImages") {
        return {operation, [this](const Call& call) { prune_images(call, ports_.images); }, {}};
      }
      if (operation == "ListPlugins") {
        return {operation, [this](const Call& call) { list_plugins(call); }, {}};
      }
      if (operation == "GetVersion") {
        return {operation, [this](const Call& call) { get_version(call); }, {}};
      }
    }
    return {"none",
            {},
            front_end_exception("UnknownOperationException",
                                "The operation " + target + " is unknown: this endpoint serves " +
                                    std::string(kEcsPrefix) + "* and " + std::string(kBerthPrefix) +
                                    "*.")};
  }

  void list_plugins(const Call& call) const {
    model::ListPluginsRequest request;
    if (!call.read(request)) return;
    model::ListPluginsResponse response;
    if (ports_.plugins) {
      for (auto& plugin : ports_.plugins()) *response.add_plugins() = std::move(plugin);
    }
    call.reply(response);
  }

  void get_version(const Call& call) const {
    model::GetVersionRequest request;
    if (!call.read(request)) return;
    model::GetVersionResponse response;
    response.set_version(config_.version);
    response.set_region(config_.realm.region);
    response.set_account(config_.realm.account);
    response.set_services_rest(ports_.services_rest && ports_.services_rest());
    call.reply(response);
  }

  Config config_;
  Ports ports_;
  Metrics metrics_;
  RecordCounts records_;
  sigv4::Verifier verifier_;
  std::mutex rng_mutex_;
  std::mutex starting_;
  std::shared_ptr<const Backend> backend_;
  std::unique_ptr<http::Server> http_;
};

Result<void> Server::check(const Config& config) {
  return api::check(config);
}

Result<std::unique_ptr<Server>> Server::start(Config config, Ports ports) {
  if (auto checked = check(config); !checked) return tl::unexpected(checked.error());
  auto impl = std::make_unique<Impl>(std::move(config), std::move(ports));
  if (auto started = impl->start(); !started) return tl::unexpected(started.error());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
std::uint16_t Server::port() const {
  return impl_->port();
}
void Server::stop() {
  impl_->stop();
}

}  // namespace berth::api
