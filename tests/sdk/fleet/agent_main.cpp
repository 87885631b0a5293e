// SPDX-License-Identifier: Apache-2.0
// fleet_agent_for_tests PORT TOKEN DIR: an agent whose tasks are lines in DIR/tasks, not processes; it ends when stdin does.
//
// A task that is started runs; one that is stopped is STOPPED. Its log is three lines. Prints what it is told.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>

#include "sdk/fleet/client.hpp"
#include "sdk/fleet/durable_file.hpp"

namespace {

using berth::v1::TaskReport;

class FakeTasks {
 public:
  explicit FakeTasks(std::filesystem::path dir) : file_(std::move(dir) / "tasks") {
    std::ifstream in(file_);
    std::string id;
    std::uint64_t sequence = 0;
    while (in >> id >> sequence) tasks_[id] = sequence;
  }
  // Sequence 1 is RUNNING, 2 STOPPED.
  void move(const std::string& id, std::uint64_t sequence) {
    auto& now = tasks_[id];
    now = std::max(now, sequence);
    store();
  }
  bool has(const std::string& id) const { return tasks_.contains(id); }
  void forget(const std::string& id) {
    tasks_.erase(id);
    store();
  }
  TaskReport report(const std::string& id) const {
    TaskReport report;
    report.set_task_id(id);
    report.set_sequence(tasks_.at(id));
    report.set_phase(tasks_.at(id) == 1 ? berth::v1::TASK_PHASE_RUNNING : berth::v1::TASK_PHASE_STOPPED);
    return report;
  }
  std::vector<TaskReport> list() const {
    std::vector<TaskReport> all;
    for (const auto& [id, sequence] : tasks_) all.push_back(report(id));
    return all;
  }

 private:
  void store() const {
    std::string text;
    for (const auto& [id, sequence] : tasks_) text += id + " " + std::to_string(sequence) + "\n";
    if (!berth::fleet::write_durably(file_, text, 0600)) std::abort();
  }
  std::filesystem::path file_;
  std::map<std::string, std::uint64_t> tasks_;
};

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

class FakeAgent {
 public:
  explicit FakeAgent(const std::filesystem::path& dir) : tasks_(dir) {}

  berth::fleet::ClientEvents events() {
    return {.call = [this](const berth::fleet::AgentCall& call) { answer(call); },
            .cancel = [](std::uint64_t) { say("cancel"); },
            .input = {},
            .connected = [](const std::string& id) { say("connected " + id); },
            .disconnected = {},
            .removed = {},
            .log = [](int, const std::string& line) { std::fprintf(stderr, "agent: %s\n", line.c_str()); }};
  }
  void run(berth::fleet::Client& client) {
    client_ = &client;
    for (auto& report : tasks_.list()) client.restore(std::move(report));
    client.start();
    std::string line;
    while (std::getline(std::cin, line)) {
      if (line == "ask") ask();
    }
  }

 private:
  void answer(const berth::fleet::AgentCall& call) {
    if (call.method == berth::v1::METHOD_LAUNCH_START) {
      berth::v1::StartTaskRequest request;
      if (!request.ParseFromString(call.request)) return client_->done(call.id, BERTH_INVALID);
      say("start " + request.task_id());
      tasks_.move(request.task_id(), 1);
      client_->done(call.id, BERTH_OK);
      return client_->report(tasks_.report(request.task_id()));
    }
    if (call.method == berth::v1::METHOD_LAUNCH_STOP) {
      berth::v1::StopTaskRequest request;
      if (!request.ParseFromString(call.request)) return client_->done(call.id, BERTH_INVALID);
      say("stop " + request.task_id());
      if (!tasks_.has(request.task_id())) return not_found(call.id, request.task_id());
      tasks_.move(request.task_id(), 2);
      client_->done(call.id, BERTH_OK);
      return client_->report(tasks_.report(request.task_id()));
    }
    if (call.method == berth::v1::METHOD_LAUNCH_LIST_OWNED) {
      berth::v1::ListOwnedResponse response;
      for (auto& report : tasks_.list()) *response.add_tasks() = std::move(report);
      return client_->done(call.id, BERTH_OK, response.SerializeAsString());
    }
    if (call.method == berth::v1::METHOD_LAUNCH_FORGET) {
      berth::v1::ForgetTasksRequest request;
      if (!request.ParseFromString(call.request)) return client_->done(call.id, BERTH_INVALID);
      for (const auto& id : request.task_ids()) {
        say("forget " + id);
        tasks_.forget(id);
        client_->forget_reports({id});
      }
      return client_->done(call.id, BERTH_OK);
    }
    if (call.method == berth::v1::METHOD_LAUNCH_LOGS) {
      readers_.emplace_back([this, id = call.id] {
        for (int i = 0; i < 3; ++i) {
          berth::v1::StreamChunk chunk;
          chunk.set_channel(berth::v1::StreamChunk::CHANNEL_RECORDS);
          chunk.set_data("line " + std::to_string(i) + "\n");
          if (!client_->write_chunk(id, chunk)) return;
        }
        berth::v1::LogsResponse response;
        response.set_lines(3);
        client_->done(id, BERTH_OK, response.SerializeAsString());
      });
      return;
    }
    client_->done(call.id, BERTH_UNIMPLEMENTED);
  }
  void not_found(std::uint64_t call, const std::string& id) {
    berth::v1::Failure failure;
    failure.set_message("no task " + id);
    client_->done(call, BERTH_NOT_FOUND, failure.SerializeAsString());
  }
  void ask() {
    berth::v1::Ask question;
    question.mutable_mirrors()->set_request("bytes of the agent");
    client_->ask(question, std::chrono::seconds(20), [](berth_status status, const std::string& response) {
      say("answer " + std::to_string(status) + " " + response);
    });
  }

  FakeTasks tasks_;
  berth::fleet::Client* client_ = nullptr;
  std::vector<std::jthread> readers_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::filesystem::path dir = argv[3];
  FakeAgent agent(dir);
  berth::fleet::v1::Registration registration;
  auto& cpu = *registration.mutable_node()->add_resources();
  cpu.set_name("CPU");
  cpu.mutable_counter()->set_total(2048);
  auto client = berth::fleet::Client::open({.server = {"127.0.0.1", static_cast<std::uint16_t>(std::atoi(argv[1]))},
                                            .join_token = argv[2],
                                            .identity_file = dir / "identity",
                                            .backoff_first = std::chrono::milliseconds(10),
                                            .backoff_most = std::chrono::milliseconds(100)},
                                           registration, agent.events());
  if (!client) {
    std::fprintf(stderr, "%s\n", client.error().message.c_str());
    return 1;
  }
  agent.run(**client);
  return 0;
}
