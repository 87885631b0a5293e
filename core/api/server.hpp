// SPDX-License-Identifier: Apache-2.0
// The wire: an HTTP server that answers ECS's JSON 1.1 API and Berth's own operations.
//
// Routes: POST / by X-Amz-Target; GET /healthz, /metrics; streaming GET /berth/v1/logs; websocket
// GET /berth/v1/exec. README.md beside this file has the details. Threads: start and stop from one
// thread; the server runs on threads of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "berth/model/berth_operations.pb.h"
#include "core/api/exec_source.hpp"
#include "core/api/image_source.hpp"
#include "core/api/log_source.hpp"
#include "core/api/stats_source.hpp"
#include "core/control/frontend.hpp"
#include "core/model/arn.hpp"

namespace prometheus {
class Registry;
}

namespace berth::api {

struct AccessKey {
  std::string id;
  std::string secret;
  std::string principal;  // ARN shown as registeredBy; empty: the account's root
};

struct Limits {
  std::size_t body_bytes = 1024 * 1024;
  std::size_t header_bytes = 16 * 1024;
  std::size_t connections = 1024;
  milliseconds read_timeout = std::chrono::seconds(20);  // of a whole request, from its first byte
  milliseconds idle_timeout = std::chrono::seconds(75);  // of a kept connection between requests
  milliseconds write_timeout = std::chrono::seconds(20);
  milliseconds answer_timeout = std::chrono::seconds(90);  // for the core to answer
  milliseconds stop_grace = std::chrono::seconds(5);       // for requests under way, when stopping
};

struct Config {
  std::string address = "127.0.0.1";
  std::string host_name;        // how the operator calls that address; may be empty
  std::uint16_t port = 5080;    // 0: any free one
  std::string tls_certificate;  // PEM files, both or none
  std::string tls_key;
  std::vector<AccessKey>
      access_keys;  // empty: any well-formed signature is accepted, on loopback only
  Realm realm;
  std::string default_cluster = "default";
  std::string version = "0.1.0";
  Limits limits;
  int threads = 2;
};

struct Ports {
  control::Frontend& control;
  LogSource& logs;
  ExecSource& execs;
  StatsSource& stats;
  ImageSource& images;
  Rng& rng;  // for request ids; used under a lock of the server's, by nobody else
  std::function<Instant()> now;                                    // any thread
  std::function<std::vector<model::PluginDescription>()> plugins;  // any thread; may be empty
  std::function<bool()> services_rest;  // any thread; empty: never
  std::shared_ptr<prometheus::Registry> metrics;                   // null: one of its own
};

class Server {
 public:
  // What start would refuse before it touches the network. Errors: Precondition and Invalid, as of
  // start.
  [[nodiscard]] static Result<void> check(const Config& config);
  // Binds, listens and serves.
  // Errors: Precondition for an address beyond loopback without TLS and access keys; Invalid for an
  // address or a certificate that cannot be read; AlreadyExists for a port in use. Requires: what
  // `ports` refers to outlives the server.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(Config config, Ports ports);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // Stops listening, lets requests under way finish within the grace, then closes all. Again: does
  // nothing.
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::api
