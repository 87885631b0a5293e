// SPDX-License-Identifier: Apache-2.0
// The plugin with agents: other processes over the real connection.
#include <gmock/gmock.h>

#include <csignal>
#include <cstdlib>
#include <set>

#include "tests/plugins/agent_process.hpp"
#include "tests/plugins/ec2/ec2_fixture.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const std::string kTask(32, 'a');
const std::string kOther(32, 'b');

class Ec2Fleet : public Ec2Test {
 protected:
  void SetUp() override { plugin.activate(config()); }
  std::unique_ptr<AgentProcess> agent(const std::string& name = "agent", const char* failpoint = nullptr) {
    return std::make_unique<AgentProcess>(read("ec2.port"), read("plugins/ec2/join-token"), dir_ / name, failpoint);
  }
  // Starts an agent and waits until the plugin has told of it.
  std::unique_ptr<AgentProcess> joined(const std::string& name = "agent") {
    auto made = agent(name);
    const std::string line = made->line("connected ");
    EXPECT_EQ(line.size(), 42U);
    node_ = line.substr(10);
    EXPECT_TRUE(until_connected(node_, true));
    return made;
  }
  bool until_connected(const std::string& id, bool connected) {
    return plugin.until([&] {
      const auto node = newest(id);
      return node && node->connected() == connected;
    });
  }
  std::optional<v1::Node> newest(const std::string& id) const {
    std::optional<v1::Node> found;
    for (const auto& snapshot : plugin.snapshots) {
      for (const auto& node : snapshot.nodes()) {
        if (node.id() == id) found = node;
      }
    }
    for (const auto& delta : plugin.deltas) {
      for (const auto& node : delta.upserts()) {
        if (node.id() == id) found = node;
      }
    }
    return found;
  }
  Result<v1::Empty> start(const std::string& task) {
    v1::StartTaskRequest request;
    request.set_task_id(task);
    request.set_node_id(node_);
    return plugin.call<v1::Empty>(v1::METHOD_LAUNCH_START, request);
  }
  Result<v1::Empty> stop(const std::string& task) {
    v1::StopTaskRequest request;
    request.set_task_id(task);
    request.set_node_id(node_);
    return plugin.call<v1::Empty>(v1::METHOD_LAUNCH_STOP, request);
  }
  v1::RecoverResponse recover(const std::vector<std::string>& tasks) {
    v1::RecoverRequest request;
    for (const auto& id : tasks) {
      auto& task = *request.add_tasks();
      task.set_task_id(id);
      task.set_node_id(node_);
    }
    return plugin.call<v1::RecoverResponse>(v1::METHOD_LAUNCH_RECOVER, request).value();
  }
  v1::ListOwnedResponse owned() {
    return plugin.call<v1::ListOwnedResponse>(v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedRequest()).value();
  }

  std::string node_;
};

TEST_F(Ec2Fleet, AnAgentBecomesANodeOfTheRegionsFirstZone) {
  const auto one = joined();
  const auto node = newest(node_);
  ASSERT_TRUE(node);
  EXPECT_EQ(node->cluster(), "default");
  EXPECT_EQ(node->resources(0).counter().total(), 2048);
  ASSERT_EQ(node->attributes_size(), 1);
  EXPECT_EQ(node->attributes(0).name(), "ecs.availability-zone");
  EXPECT_EQ(node->attributes(0).value(), "eu-west-9a");
}

TEST_F(Ec2Fleet, ATaskGoesToItsAgentAndItsNewsComeBack) {
  const auto one = joined();
  ASSERT_TRUE(start(kTask));
  EXPECT_EQ(one->line("start "), "start " + kTask);
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_RUNNING));
  EXPECT_EQ(plugin.report(kTask)->node_id(), node_);
  ASSERT_TRUE(stop(kTask));
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
  v1::ForgetTasksRequest request;
  request.add_task_ids(kTask);
  ASSERT_TRUE(plugin.call<v1::Empty>(v1::METHOD_LAUNCH_FORGET, request));
  EXPECT_EQ(one->line("forget "), "forget " + kTask);
  EXPECT_EQ(owned().tasks_size(), 0);
}

TEST_F(Ec2Fleet, AnUnknownTaskIsNotFoundWithTheAgentsWords) {
  const auto one = joined();
  const auto stopped = stop(kTask);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::NotFound);
  EXPECT_THAT(stopped.error().message, HasSubstr("no task " + kTask));
}

TEST_F(Ec2Fleet, AStartIsAnsweredAlthoughItsAgentDiedBeforeItCould) {
  auto one = joined();
  one->kill();
  ASSERT_TRUE(until_connected(node_, false));
  // Dies when the start has reached it, before and after it is on disk.
  for (const char* point : {"agent.before_frame.call-start", "agent.before_send.done"}) {
    auto doomed = agent("agent", point);
    ASSERT_FALSE(doomed->line("connected ").empty());
    ASSERT_TRUE(until_connected(node_, true));
    v1::StartTaskRequest request;
    request.set_task_id(kTask);
    request.set_node_id(node_);
    std::optional<Result<std::string>> end;
    plugin.instance().call(v1::METHOD_LAUNCH_START, request.SerializeAsString(), {},
                           [&](Result<std::string> result) { end = std::move(result); });
    doomed->wait();
    auto next = agent();
    ASSERT_TRUE(plugin.until([&] { return end.has_value(); })) << point;
    EXPECT_TRUE(*end) << point;
    next->kill();
    ASSERT_TRUE(until_connected(node_, false));
  }
  EXPECT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_RUNNING));
}

TEST_F(Ec2Fleet, RecoverTellsKnownUnknownAndUnreachableApart) {
  auto one = joined();
  ASSERT_TRUE(start(kTask));
  auto response = recover({kTask, kOther});
  ASSERT_EQ(response.known_size(), 1);
  EXPECT_EQ(response.known(0).task_id(), kTask);
  EXPECT_THAT(response.unknown(), UnorderedElementsAre(kOther));
  one->kill();
  ASSERT_TRUE(until_connected(node_, false));
  response = recover({kTask, kOther});
  EXPECT_THAT(response.unreachable(), UnorderedElementsAre(kTask, kOther));
  EXPECT_THAT(owned().unreachable_nodes(), UnorderedElementsAre(node_));
}

TEST_F(Ec2Fleet, ARestartedPluginKnowsItsNodesAndHearsTheirTasksAgain) {
  auto one = joined();
  ASSERT_TRUE(start(kTask));
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_RUNNING));
  one->kill();
  plugin.end();
  plugin.snapshots.clear();
  plugin.deltas.clear();
  plugin.reports.clear();
  plugin.activate(config());
  ASSERT_TRUE(until_connected(node_, false));
  one = agent();
  ASSERT_TRUE(until_connected(node_, true));
  EXPECT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_RUNNING));
}

TEST_F(Ec2Fleet, QuestionsOfAgentsReachTheHostAndAnswersTheAgent) {
  const auto one = joined();
  one->tell("ask\n");
  ASSERT_TRUE(plugin.until([&] { return !plugin.asks.empty(); }));
  v1::Ask ask;
  ASSERT_TRUE(ask.ParseFromString(plugin.asks[0]));
  EXPECT_EQ(ask.mirrors().request(), "bytes of the agent");
  v1::Answer answer;
  answer.set_ask_id(ask.ask_id());
  answer.set_response("and of the host");
  ASSERT_TRUE(plugin.call<v1::Empty>(v1::METHOD_ANSWER, answer));
  EXPECT_EQ(one->line("answer "), "answer 0 and of the host");
}

TEST_F(Ec2Fleet, LogsComeAsFarAsTheirCreditAndEndWithTheNumberOfLines) {
  const auto one = joined();
  v1::LogsRequest request;
  request.set_node_id(node_);
  request.set_stream_id(9);
  request.set_credit_bytes(10);
  std::optional<Result<std::string>> end;
  plugin.instance().call(v1::METHOD_LAUNCH_LOGS, request.SerializeAsString(), {},
                         [&](Result<std::string> result) { end = std::move(result); });
  const auto text = [&] {
    std::string all;
    for (const auto& chunk : plugin.chunks) {
      EXPECT_EQ(chunk.stream_id(), 9U);
      all += chunk.data();
    }
    return all;
  };
  ASSERT_TRUE(plugin.until([&] { return text() == "line 0\n"; }));
  EXPECT_FALSE(end);
  v1::StreamCredit credit;
  credit.set_stream_id(9);
  credit.set_bytes(100);
  ASSERT_TRUE(plugin.call<v1::Empty>(v1::METHOD_STREAM_CREDIT, credit));
  ASSERT_TRUE(plugin.until([&] { return end.has_value(); }));
  ASSERT_TRUE(*end);
  EXPECT_EQ(text(), "line 0\nline 1\nline 2\n");
  v1::LogsResponse response;
  ASSERT_TRUE(response.ParseFromString(**end));
  EXPECT_EQ(response.lines(), 3U);
}

TEST_F(Ec2Fleet, LogsThatNobodyReadsAnyMoreEndAtTheAgentToo) {
  const auto one = joined();
  v1::LogsRequest request;
  request.set_node_id(node_);
  request.set_stream_id(9);
  request.set_credit_bytes(10);
  std::optional<Result<std::string>> end;
  const auto operation = plugin.instance().call(v1::METHOD_LAUNCH_LOGS, request.SerializeAsString(), {},
                                                [&](Result<std::string> result) { end = std::move(result); });
  ASSERT_TRUE(plugin.until([&] { return !plugin.chunks.empty(); }));
  plugin.instance().cancel(operation);
  EXPECT_EQ(one->line("cancel"), "cancel");
  ASSERT_TRUE(plugin.until([&] { return end.has_value(); }));
  ASSERT_FALSE(*end);
  EXPECT_EQ(end->error().code, Errc::Cancelled);
}

TEST_F(Ec2Fleet, ADeregisteredNodeIsRemovedFromTheInventory) {
  const auto one = joined();
  v1::UpdateNodeRequest request;
  request.set_node_id(node_);
  request.set_wish(v1::UpdateNodeRequest::WISH_DEREGISTER);
  ASSERT_TRUE(plugin.call<v1::Empty>(v1::METHOD_LAUNCH_UPDATE_NODE, request));
  EXPECT_TRUE(plugin.until([&] {
    for (const auto& delta : plugin.deltas) {
      for (const auto& id : delta.removals()) {
        if (id == node_) return true;
      }
    }
    return false;
  }));
  ASSERT_FALSE(start(kTask));
}

TEST_F(Ec2Fleet, TwoAgentsAreTwoNodesAndKeepTheirTasksApart) {
  const auto one = joined("one");
  const std::string first = node_;
  ASSERT_TRUE(start(kTask));
  const auto two = joined("two");
  EXPECT_NE(node_, first);
  ASSERT_TRUE(start(kOther));
  const auto all = owned();
  ASSERT_EQ(all.tasks_size(), 2);
  for (const auto& report : all.tasks()) EXPECT_EQ(report.node_id(), report.task_id() == kTask ? first : node_);
}

}  // namespace
}  // namespace berth::test
