// SPDX-License-Identifier: Apache-2.0
// A fleet server and agents on loopback, with all that they tell kept, and waits for conditions instead of sleeps.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sdk/fleet/client.hpp"
#include "sdk/fleet/server.hpp"

namespace berth::fleet {

using namespace std::chrono_literals;

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-fleet-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What was heard, under one lock.
class Heard {
 public:
  template <typename Work>
  auto with(Work work) {
    const std::lock_guard lock(mutex_);
    struct Notify {
      std::condition_variable& c;
      ~Notify() { c.notify_all(); }
    } notify{changed_};
    return work();
  }
  // Whether `condition` becomes true within 20 s.
  [[nodiscard]] bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

struct TestServer : Heard {
  std::map<std::string, berth::v1::Node> nodes;
  std::vector<bool> connections;  // each change of `connected`
  std::vector<berth::v1::TaskReport> reports;
  std::vector<std::pair<AskHandle, berth::v1::Ask>> asks;
  std::vector<std::string> removed;
  std::vector<std::string> lines;
  std::unique_ptr<Server> server;

  [[nodiscard]] sdk::Result<void> open(ServerConfig config) {
    ServerEvents events;
    events.node = [this](const berth::v1::Node& node) {
      with([&] {
        nodes[node.id()] = node;
        connections.push_back(node.connected());
      });
    };
    events.removed = [this](const std::string& id) { with([&] { removed.push_back(id); }); };
    events.report = [this](const berth::v1::TaskReport& report) { with([&] { reports.push_back(report); }); };
    events.ask = [this](AskHandle to, const berth::v1::Ask& ask) { with([&] { asks.emplace_back(to, ask); }); };
    events.log = [this](int, const std::string& line) { with([&] { lines.push_back(line); }); };
    auto opened = Server::open(std::move(config), std::move(events));
    if (!opened) return opened.error();
    server = std::move(*opened);
    server->start();
    server->grants_are_known();
    return {};
  }
  [[nodiscard]] bool logged(const std::string& part) {
    return wait([&] {
      for (const auto& line : lines) {
        if (line.find(part) != std::string::npos) return true;
      }
      return false;
    });
  }
  [[nodiscard]] bool wait_connected(std::size_t count) {
    return wait([&] {
      std::size_t connected = 0;
      for (const auto& [id, node] : nodes) connected += node.connected() ? 1 : 0;
      return connected == count;
    });
  }
};

struct TestAgent : Heard {
  std::vector<AgentCall> calls;
  std::vector<std::uint64_t> cancelled;
  std::vector<std::pair<std::uint64_t, berth::v1::StreamWrite>> inputs;
  int connected = 0;
  int disconnected = 0;
  int removed = 0;
  std::vector<std::string> lines;
  std::unique_ptr<Client> client;

  [[nodiscard]] sdk::Result<void> open(ClientConfig config, v1::Registration registration,
                                       std::shared_ptr<Loop> loop = {}) {
    ClientEvents events;
    events.call = [this](AgentCall call) { with([&] { calls.push_back(std::move(call)); }); };
    events.cancel = [this](std::uint64_t call) { with([&] { cancelled.push_back(call); }); };
    events.input = [this](std::uint64_t call, berth::v1::StreamWrite write) {
      with([&] { inputs.emplace_back(call, std::move(write)); });
    };
    events.connected = [this](const std::string&) { with([&] { ++connected; }); };
    events.disconnected = [this](const std::string&) { with([&] { ++disconnected; }); };
    events.removed = [this](const std::string&) { with([&] { ++removed; }); };
    events.log = [this](int, const std::string& line) { with([&] { lines.push_back(line); }); };
    auto opened = Client::open(std::move(config), std::move(registration), std::move(events), std::move(loop));
    if (!opened) return opened.error();
    client = std::move(*opened);
    client->start();
    return {};
  }
  [[nodiscard]] bool wait_connected(int times = 1) {
    return wait([&] { return connected >= times; });
  }
  [[nodiscard]] bool logged(const std::string& part) {
    return wait([&] {
      for (const auto& line : lines) {
        if (line.find(part) != std::string::npos) return true;
      }
      return false;
    });
  }
};

class FleetTest : public testing::Test {
 protected:
  [[nodiscard]] ServerConfig server_config(std::uint16_t port = 0) const {
    return {.listen = {"127.0.0.1", port}, .data_dir = dir_.path() / "server", .heartbeat = 50ms, .dead_after = 5s, .probe = 300ms};
  }
  [[nodiscard]] ClientConfig client_config(const TestServer& server, const std::string& name = "agent") const {
    return {.server = {"127.0.0.1", server.server->port()},
            .join_token = server.server->join_token(),
            .identity_file = dir_.path() / name,
            .backoff_first = 10ms,
            .backoff_most = 100ms,
            .refused_backoff = 100ms};
  }
  static v1::Registration registration(const std::string& zone = "zone-a") {
    v1::Registration r;
    r.mutable_node()->set_agent_version("0.1.0");
    auto* attribute = r.mutable_node()->add_attributes();
    attribute->set_name("ecs.availability-zone");
    attribute->set_value(zone);
    auto* cpu = r.mutable_node()->add_resources();
    cpu->set_name("CPU");
    cpu->mutable_counter()->set_total(2048);
    return r;
  }
  static berth::v1::TaskReport task_report(char digit, std::uint64_t sequence) {
    berth::v1::TaskReport report;
    report.set_task_id(std::string(32, digit));
    report.set_sequence(sequence);
    report.set_phase(berth::v1::TASK_PHASE_RUNNING);
    return report;
  }

  TempDir dir_;
};

}  // namespace berth::fleet
