// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "tests/sdk/fleet/fixture.hpp"

namespace berth::fleet {
namespace {

struct Outcome : Heard {
  int times = 0;
  berth_status status = -1;
  std::string payload;
  std::string streamed;

  Server::Done done() {
    return [this](berth_status s, std::string p) {
      with([&] {
        ++times;
        status = s;
        payload = std::move(p);
      });
    };
  }
  [[nodiscard]] bool ended() {
    return wait([&] { return times > 0; });
  }
  std::string message() {
    berth::v1::Failure failure;
    failure.ParseFromString(payload);
    return failure.message();
  }
};

class FleetCalls : public FleetTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.open(server_config()));
    ASSERT_TRUE(agent_.open(client_config(server_), registration()));
    ASSERT_TRUE(agent_.wait_connected());
    ASSERT_TRUE(server_.wait_connected(1));
    node_ = agent_.client->node_id();
  }
  AgentCall next_call(std::size_t index = 0) {
    EXPECT_TRUE(agent_.wait([&] { return agent_.calls.size() > index; }));
    return agent_.with([&] { return agent_.calls.at(index); });
  }
  // The agent's end of the connection goes; its process and identity stay.
  void restart_server() {
    const auto port = server_.server->port();
    server_.server.reset();
    ASSERT_TRUE(server_.open(server_config(port)));
  }

  TestServer server_;
  TestAgent agent_;
  std::string node_;
};

TEST_F(FleetCalls, AnAnswerFindsItsCall) {
  Outcome a, b;
  server_.server->call(node_, 0x101, "first", {}, a.done());
  server_.server->call(node_, 0x102, "second", {}, b.done());
  EXPECT_EQ(next_call(0).request, "first");
  EXPECT_EQ(next_call(1).method, 0x102U);
  agent_.client->done(next_call(1).id, BERTH_OK, "2");
  agent_.client->done(next_call(0).id, BERTH_NOT_FOUND, "1");
  ASSERT_TRUE(a.ended() && b.ended());
  EXPECT_EQ(a.status, BERTH_NOT_FOUND);
  EXPECT_EQ(a.payload, "1");
  EXPECT_EQ(b.status, BERTH_OK);
  EXPECT_EQ(b.payload, "2");
}

TEST_F(FleetCalls, ACallToNobodyFailsAtOnce) {
  Outcome unknown, away;
  server_.server->call(std::string(32, 'f'), 0x101, "", {}, unknown.done());
  ASSERT_TRUE(unknown.ended());
  EXPECT_EQ(unknown.status, BERTH_NOT_FOUND);
  agent_.client.reset();
  ASSERT_TRUE(server_.wait_connected(0));
  server_.server->call(node_, 0x101, "", {}, away.done());
  ASSERT_TRUE(away.ended());
  EXPECT_EQ(away.status, BERTH_UNAVAILABLE);
  EXPECT_NE(away.message().find("not connected"), std::string::npos);
}

TEST_F(FleetCalls, ATimeoutEndsTheCallAndTellsTheAgent) {
  Outcome outcome;
  server_.server->call(node_, 0x101, "", {.timeout = 30ms}, outcome.done());
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_DEADLINE);
  const auto call = next_call();
  EXPECT_TRUE(agent_.wait([&] { return agent_.cancelled == std::vector<std::uint64_t>{call.id}; }));
  agent_.client->done(call.id, BERTH_OK);  // too late, ignored
  Outcome second;
  server_.server->call(node_, 0x101, "", {}, second.done());
  agent_.client->done(next_call(1).id, BERTH_OK);
  ASSERT_TRUE(second.ended());
  EXPECT_EQ(outcome.with([&] { return outcome.times; }), 1);
}

TEST_F(FleetCalls, ACancelledCallEndsOnce) {
  Outcome outcome;
  const auto id = server_.server->call(node_, 0x101, "", {}, outcome.done());
  const auto call = next_call();
  server_.server->cancel(id);
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_CANCELLED);
  EXPECT_TRUE(agent_.wait([&] { return agent_.cancelled.size() == 1; }));
}

TEST_F(FleetCalls, OpenCallsEndWhenTheAgentGoes) {
  Outcome outcome;
  server_.server->call(node_, 0x101, "", {}, outcome.done());
  (void)next_call();
  agent_.client.reset();
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_UNAVAILABLE);
}

TEST_F(FleetCalls, OpenCallsEndWithTheServer) {
  Outcome outcome;
  server_.server->call(node_, 0x101, "", {.until_answered = true}, outcome.done());
  (void)next_call();
  server_.server.reset();
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_CANCELLED);
  EXPECT_TRUE(agent_.wait([&] { return agent_.cancelled.size() == 1; }));
}

TEST_F(FleetCalls, CallsThatMustBeAnsweredComeAgainInTheirOrder) {
  Outcome a, b;
  server_.server->call(node_, 0x101, "start", {.until_answered = true}, a.done());
  (void)next_call();  // received, and then the agent dies without an answer
  agent_.client.reset();
  ASSERT_TRUE(server_.wait_connected(0));
  server_.server->call(node_, 0x102, "stop", {.until_answered = true}, b.done());
  TestAgent again;
  ASSERT_TRUE(again.open(client_config(server_), registration()));
  ASSERT_TRUE(again.wait([&] { return again.calls.size() == 2; }));
  EXPECT_EQ(again.calls[0].request, "start");
  EXPECT_EQ(again.calls[1].request, "stop");
  again.client->done(again.calls[0].id, BERTH_OK);
  again.client->done(again.calls[1].id, BERTH_OK);
  ASSERT_TRUE(a.ended() && b.ended());
  EXPECT_EQ(a.status, BERTH_OK);
  EXPECT_EQ(b.status, BERTH_OK);
}

TEST_F(FleetCalls, AnAnswerForAnotherServersCallIsNotTakenForThisOnes) {
  Outcome first, second;
  server_.server->call(node_, 0x101, "first", {}, first.done());
  const auto old = next_call(0);
  restart_server();
  ASSERT_TRUE(agent_.wait_connected(2));
  ASSERT_TRUE(server_.wait_connected(1));
  server_.server->call(node_, 0x101, "second", {}, second.done());  // has the same number as `first` had
  const auto now = next_call(1);
  agent_.client->done(old.id, BERTH_INTERNAL, "of the first");
  agent_.client->done(now.id, BERTH_OK, "of the second");
  ASSERT_TRUE(second.ended());
  EXPECT_EQ(second.payload, "of the second");
}

TEST_F(FleetCalls, AStreamStopsWhereItsCreditEndsAndGoesOnWithMore) {
  Outcome outcome;
  const auto id = server_.server->call(
      node_, 0x107, "", {.stream_id = 77, .credit = 10}, outcome.done(), [&](berth::v1::StreamChunk&& chunk) {
        EXPECT_EQ(chunk.stream_id(), 77U);
        outcome.with([&] { outcome.streamed += chunk.data(); });
      });
  const auto call = next_call();
  std::jthread writer([&] {
    berth::v1::StreamChunk chunk;
    chunk.set_stream_id(1);  // not the agent's to say
    chunk.set_data("0123456789abcdefghij");
    EXPECT_TRUE(agent_.client->write_chunk(call.id, chunk));
    agent_.client->done(call.id, BERTH_OK);
  });
  EXPECT_TRUE(outcome.wait([&] { return outcome.streamed == "0123456789"; }));
  EXPECT_EQ(outcome.with([&] { return outcome.times; }), 0);
  server_.server->credit(id, 10);
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.streamed, "0123456789abcdefghij");
}

TEST_F(FleetCalls, AWriterWithoutCreditIsLetGoWhenTheCallEnds) {
  Outcome outcome;
  const auto id = server_.server->call(node_, 0x107, "", {.stream_id = 1, .credit = 1}, outcome.done(),
                                       [](berth::v1::StreamChunk&&) {});
  const auto call = next_call();
  sdk::Result<void> written;
  std::jthread writer([&] {
    berth::v1::StreamChunk chunk;
    chunk.set_data("0123456789");
    written = agent_.client->write_chunk(call.id, chunk);
  });
  server_.server->cancel(id);
  writer.join();
  ASSERT_TRUE(outcome.ended());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().status, BERTH_CANCELLED);
}

TEST_F(FleetCalls, InputGoesToItsCallWithinWhatTheAgentGrants) {
  Outcome outcome;
  std::uint64_t granted = 0;
  const auto id = server_.server->call(
      node_, berth::v1::METHOD_LAUNCH_EXEC, "exec", {.stream_id = 7}, outcome.done(),
      [&](berth::v1::StreamChunk&& chunk) { outcome.with([&] { granted += chunk.input_credit_bytes(); }); });
  const AgentCall call = next_call();
  agent_.client->grant_input(call.id, 5);
  ASSERT_TRUE(outcome.wait([&] { return granted == 5; }));
  berth::v1::StreamWrite write;
  write.set_data("hello");
  server_.server->write(id, write);
  write.clear_data();
  write.set_signal("TERM");
  server_.server->write(id, write);
  ASSERT_TRUE(agent_.wait([&] { return agent_.inputs.size() == 2; }));
  EXPECT_EQ(agent_.inputs[0].first, call.id);
  EXPECT_EQ(agent_.inputs[0].second.data(), "hello");
  EXPECT_EQ(agent_.inputs[1].second.signal(), "TERM");
  agent_.client->done(call.id, BERTH_OK, "done");
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.payload, "done");
}

TEST_F(FleetCalls, MoreInputThanWasGrantedEndsTheConnection) {
  Outcome outcome;
  const auto id = server_.server->call(node_, berth::v1::METHOD_LAUNCH_EXEC, "exec", {.stream_id = 7}, outcome.done(),
                                       [](berth::v1::StreamChunk&&) {});
  next_call();
  berth::v1::StreamWrite write;
  write.set_data("x");
  server_.server->write(id, write);
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_UNAVAILABLE);
  EXPECT_TRUE(agent_.logged("more input of a stream than was granted"));
  EXPECT_TRUE(agent_.with([&] { return agent_.inputs.empty(); }));
}

TEST_F(FleetCalls, ReportsOfATaskArriveInOrderWithTheNodeOfTheirConnection) {
  auto report = task_report('a', 1);
  report.set_node_id("somebody else");
  agent_.client->report(report);
  agent_.client->report(task_report('a', 3));
  agent_.client->report(task_report('a', 2));  // older than what was said: not sent
  agent_.client->report(task_report('a', 4));
  const auto last = [&] { return !server_.reports.empty() && server_.reports.back().sequence() == 4; };
  ASSERT_TRUE(server_.wait(last));
  std::uint64_t before = 0;
  for (const auto& heard : server_.reports) {
    EXPECT_EQ(heard.node_id(), node_);
    EXPECT_GT(heard.sequence(), before);
    EXPECT_NE(heard.sequence(), 2U);
    before = heard.sequence();
  }
}

TEST_F(FleetCalls, AReportMadeWhileThereIsNoServerIsDeliveredLater) {
  const auto port = server_.server->port();
  server_.server.reset();
  ASSERT_TRUE(agent_.wait([&] { return agent_.disconnected == 1; }));
  agent_.client->report(task_report('a', 1));
  agent_.client->report(task_report('a', 2));
  server_.reports.clear();
  ASSERT_TRUE(server_.open(server_config(port)));
  ASSERT_TRUE(server_.wait([&] { return !server_.reports.empty(); }));
  EXPECT_EQ(server_.reports[0].sequence(), 2U);
}

TEST_F(FleetCalls, ANewServerHearsEveryReportAgainUntilItIsForgotten) {
  agent_.client->report(task_report('a', 1));
  agent_.client->report(task_report('b', 1));
  ASSERT_TRUE(server_.wait([&] { return server_.reports.size() == 2; }));
  agent_.client->forget_reports({std::string(32, 'a')});
  server_.reports.clear();
  restart_server();
  ASSERT_TRUE(server_.wait([&] { return !server_.reports.empty(); }));
  EXPECT_EQ(server_.reports[0].task_id(), std::string(32, 'b'));
}

TEST_F(FleetCalls, QuestionsGoThroughUnreadAndAreAnsweredOnce) {
  berth::v1::Ask question;
  question.mutable_mirrors()->set_request("not even a message \x01");
  Outcome outcome;
  agent_.client->ask(question, 20s, outcome.done());
  ASSERT_TRUE(server_.wait([&] { return server_.asks.size() == 1; }));
  EXPECT_EQ(server_.asks[0].second.mirrors().request(), question.mirrors().request());
  server_.server->answer(server_.asks[0].first, BERTH_OK, "response");
  server_.server->answer(server_.asks[0].first, BERTH_OK, "again");
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_OK);
  EXPECT_EQ(outcome.payload, "response");
}

TEST_F(FleetCalls, AQuestionIsAskedAgainOfTheNextServer) {
  berth::v1::Ask question;
  question.mutable_authorize()->set_request("x");
  Outcome outcome;
  agent_.client->ask(question, 20s, outcome.done());
  ASSERT_TRUE(server_.wait([&] { return server_.asks.size() == 1; }));
  restart_server();
  ASSERT_TRUE(server_.wait([&] { return server_.asks.size() == 2; }));
  server_.server->answer(server_.asks[1].first, BERTH_DENIED, "");
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_DENIED);
}

TEST_F(FleetCalls, AQuestionThatNobodyAnswersEnds) {
  berth::v1::Ask question;
  question.mutable_authorize()->set_request("x");
  Outcome outcome;
  agent_.client->ask(question, 30ms, outcome.done());
  ASSERT_TRUE(outcome.ended());
  EXPECT_EQ(outcome.status, BERTH_DEADLINE);
}

}  // namespace
}  // namespace berth::fleet
