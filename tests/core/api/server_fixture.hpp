// SPDX-License-Identifier: Apache-2.0
// A server on a free port of loopback with a fake control core behind it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/api/json/value.hpp"
#include "core/api/server.hpp"
#include "tests/core/api/fake_control.hpp"
#include "tests/core/api/fake_sources.hpp"
#include "tests/core/api/raw_client.hpp"

namespace berth::api {

class ServerTest : public testing::Test {
 protected:
  ServerTest() { config_.port = 0; }

  void start() {
    auto server = Server::start(config_, {.control = control_,
                                          .logs = logs_,
                                          .execs = execs_,
                                          .stats = stats_,
                                          .images = images_,
                                          .rng = rng_,
                                          .now = [] { return Instant(milliseconds(0)); },
                                          .plugins =
                                              [] {
                                                model::PluginDescription plugin;
                                                plugin.set_name("ec2");
                                                return std::vector{plugin};
                                              },
                                          .services_rest = {},
                                          .metrics = nullptr});
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  static std::string authorization() {
    return "Authorization: AWS4-HMAC-SHA256 Credential=K/20261123/us-east-1/ecs/aws4_request, "
           "SignedHeaders=host, Signature=" +
           std::string(64, '0') + "\r\nX-Amz-Date: 20261123T120000Z\r\n";
  }
  static std::string post(const std::string& target, const std::string& body,
                          const std::string& more = "") {
    return "POST / HTTP/1.1\r\nHost: localhost\r\n" + authorization() + "X-Amz-Target: " + target +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
  }
  struct Reply {
    int status = 0;
    std::string head;
    std::string body;
    json::Value value;

    // The text of a member by path ("task.containers.0.name"), or "(absent)".
    [[nodiscard]] std::string at(std::string_view path) const {
      const json::Value* value_at = &this->value;
      while (!path.empty() && value_at != nullptr) {
        const std::size_t dot = path.find('.');
        const std::string name(path.substr(0, dot));
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
        if (value_at->kind == json::Value::Kind::List) {
          const std::size_t index = std::stoul(name);
          value_at = index < value_at->items.size() ? &value_at->items[index] : nullptr;
        } else {
          value_at = value_at->find(name);
        }
      }
      if (value_at == nullptr) return "(absent)";
      if (value_at->kind == json::Value::Kind::String) return value_at->text;
      std::string text;
      json::write(text, *value_at);
      return text;
    }
  };
  static Reply parse(const std::string& response) {
    Reply reply;
    const std::size_t end = response.find("\r\n\r\n");
    reply.head = response.substr(0, end);
    if (end != std::string::npos) reply.body = response.substr(end + 4);
    if (reply.head.size() > 12) reply.status = std::stoi(reply.head.substr(9, 3));
    if (auto value = json::parse(reply.body)) reply.value = std::move(*value);
    return reply;
  }
  Reply call(const std::string& target, const std::string& body) {
    RawClient client(port());
    client.send(post(target, body));
    return parse(client.read_response());
  }
  Reply ecs(const std::string& operation, const std::string& body) {
    return call("AmazonEC2ContainerServiceV20141113." + operation, body);
  }
  Reply get(const std::string& target) {
    RawClient client(port());
    client.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + authorization() + "\r\n");
    return parse(client.read_response());
  }
  std::string register_web() {
    return ecs("RegisterTaskDefinition",
               R"({"family":"web","containerDefinitions":[{"name":"a","image":"i","memory":128}]})")
        .at("taskDefinition.taskDefinitionArn");
  }

  Config config_;
  FakeControl control_;
  FakeLogs logs_;
  FakeExecs execs_;
  FakeStats stats_;
  FakeImages images_;
  SeededRng rng_{1};
  std::unique_ptr<Server> server_;
};

}  // namespace berth::api
